package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Errno;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.TreeException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Finds where a path leads, through symbolic links and directories that the program may search. Used once, with the lock of the tree
 * held.
 */
final class PathWalk {
    /** So many links Linux follows, and so many bytes a path may have there. */
    private static final int LINKS_MAX = 40;
    private static final int PATH_BYTES_MAX = 4095;

    private final FileTree tree;
    private final Credentials user;
    private final ArrayDeque<String> ahead = new ArrayDeque<>();
    private final List<String> real = new ArrayList<>();
    private long directory = FileTree.ROOT;
    private int links;

    PathWalk(FileTree tree, Credentials user) {
        this.tree = tree;
        this.user = user;
    }

    /**
     * Where a path leads.
     *
     * @param directory that has the name
     * @param name the last one, which may be "." or ".."
     * @param inode that has it, 0 for none
     */
    record Place(long directory, String name, long inode) {}

    /** Walks to the end of a path. */
    Place to(TreePath path, boolean followsLast) throws TreeException {
        if (path.toString().getBytes(StandardCharsets.UTF_8).length > PATH_BYTES_MAX) {
            throw new TreeException(Errno.ENAMETOOLONG, "the path has more than " + PATH_BYTES_MAX + " bytes");
        }
        ahead.addAll(path.names());
        while (!ahead.isEmpty()) {
            String name = ahead.remove();
            long inode = search(name);
            if (inode != 0 && (followsLast || !ahead.isEmpty()) && tree.kind(inode) == Kind.SYMLINK) {
                follow(tree.readlink(inode));
            } else if (ahead.isEmpty()) {
                return new Place(directory, name, inode);
            } else {
                descend(name, inode);
            }
        }
        return new Place(directory, ".", directory);
    }

    private long search(String name) throws TreeException {
        long inode = tree.find(directory, name);
        user.require(Credentials.EXECUTE, tree.attributes(directory));
        return inode;
    }

    private void follow(String target) throws TreeException {
        links++;
        if (links > LINKS_MAX) {
            throw new TreeException(Errno.ELOOP, "more than " + LINKS_MAX + " symbolic links");
        }
        if (target.startsWith("/")) {
            directory = FileTree.ROOT;
            real.clear();
        }
        List<String> names = Arrays.stream(target.split("/", -1)).filter(name -> !name.isEmpty()).toList();
        if (target.endsWith("/")) {
            // It has to be a directory.
            ahead.addFirst(".");
        }
        names.reversed().forEach(ahead::addFirst);
    }

    private void descend(String name, long inode) throws TreeException {
        if (inode == 0) {
            throw new TreeException(Errno.ENOENT, "there is no '" + name + "'");
        }
        directory = inode;
        step(name);
    }

    private void step(String name) {
        if (!name.equals("..")) {
            if (!name.equals(".")) {
                real.add(name);
            }
        } else if (!real.isEmpty()) {
            real.removeLast();
        }
    }

    /** The names on the way to a place to which this has walked, without links. */
    List<String> realNames(Place place) {
        step(place.name);
        return real;
    }
}
