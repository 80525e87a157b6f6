package io.blkmq.testkit.provider;

import io.blkmq.testkit.provider.PathWalk.Place;
import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.DirectoryEntry;
import io.blkmq.testkit.tree.Errno;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.RenameMode;
import io.blkmq.testkit.tree.TreeException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.ClosedFileSystemException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemException;
import java.nio.file.NotDirectoryException;
import java.nio.file.NotLinkException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.WatchService;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A file system of a {@link FileTree}. Thread-safe: an operation on paths holds the monitor of the tree, so that where a path leads and
 * what is done there are one step.
 */
public final class TreeFileSystem extends FileSystem {
    private static final int UMASK = 022;
    private static final Set<String> VIEWS = Set.of("basic", "owner", "posix", "unix");

    private final String name;
    private final FileTree tree;
    private final Credentials user;
    private final boolean mapsByCopy;
    private final FileLocks locks = new FileLocks();
    private final Principals principals = new Principals();
    /** All that is open, in the order of opening. Its monitor guards {@link #closed} too. */
    private final Set<Closeable> open = new LinkedHashSet<>();
    private volatile boolean closed;

    TreeFileSystem(String name, FileTree tree, Credentials user, boolean mapsByCopy) {
        this.name = name;
        this.tree = tree;
        this.user = user;
        this.mapsByCopy = mapsByCopy;
    }

    /**
     * By which URIs name it.
     *
     * @return its own among the open ones
     */
    public String name() {
        return name;
    }

    /**
     * What is in it.
     *
     * @return may be used beside it
     */
    public FileTree tree() {
        return tree;
    }

    /**
     * What has been opened and not been closed: channels, streams and directory streams.
     *
     * @return each with its path and how it was opened, in the order of opening
     */
    public List<String> openFiles() {
        synchronized (open) {
            return open.stream().map(Object::toString).toList();
        }
    }

    boolean mapsByCopy() {
        return mapsByCopy;
    }

    FileLocks locks() {
        return locks;
    }

    /** Notes what has been opened; closes it if the file system has been closed meanwhile. */
    <T extends Closeable> T opened(T opened) throws IOException {
        boolean isLate;
        synchronized (open) {
            isLate = closed;
            if (!isLate) {
                open.add(opened);
            }
        }
        if (isLate) {
            opened.close();
            throw new ClosedFileSystemException();
        }
        return opened;
    }

    void closed(Closeable opened) {
        synchronized (open) {
            open.remove(opened);
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new ClosedFileSystemException();
        }
    }

    @Override
    public void close() throws IOException {
        List<Closeable> left;
        synchronized (open) {
            if (closed) {
                return;
            }
            closed = true;
            left = List.copyOf(open);
        }
        MemoryFileSystemProvider.forget(this);
        IOException failure = null;
        for (Closeable opened : left) {
            try {
                opened.close();
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public MemoryFileSystemProvider provider() {
        return MemoryFileSystemProvider.instance();
    }

    @Override
    public boolean isOpen() {
        return !closed;
    }

    @Override
    public boolean isReadOnly() {
        return tree.isReadOnly();
    }

    @Override
    public String getSeparator() {
        return "/";
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        return List.of(getPath("/"));
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        return List.of(new TreeFileStore(this));
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return VIEWS;
    }

    @Override
    public TreePath getPath(String first, String... more) {
        StringBuilder text = new StringBuilder(first);
        for (String next : more) {
            if (!next.isEmpty()) {
                text.append(text.isEmpty() ? "" : "/").append(next);
            }
        }
        return TreePath.parse(this, text.toString());
    }

    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        int colon = syntaxAndPattern.indexOf(':');
        if (colon <= 0) {
            throw new IllegalArgumentException("'" + syntaxAndPattern + "': glob:PATTERN or regex:PATTERN is possible");
        }
        String pattern = syntaxAndPattern.substring(colon + 1);
        Pattern compiled = switch (syntaxAndPattern.substring(0, colon).toLowerCase(Locale.ROOT)) {
            case "glob" -> Glob.compile(pattern);
            case "regex" -> Pattern.compile(pattern);
            default ->
                throw new UnsupportedOperationException("'" + syntaxAndPattern + "': glob and regex are possible");
        };
        return path -> compiled.matcher(path.toString()).matches();
    }

    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        return principals;
    }

    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException(
                "file system " + this + " has no watch services: only the program itself changes"
                        + " it, and when it would be told would not repeat from run to run");
    }

    /** What is done with the tree, at one instant. */
    @FunctionalInterface
    private interface Operation<T> {
        T perform() throws TreeException;
    }

    private <T> T perform(TreePath path, Operation<T> operation) throws IOException {
        return perform(path, null, operation);
    }

    private <T> T perform(TreePath path, @Nullable TreePath other, Operation<T> operation) throws IOException {
        synchronized (tree) {
            requireOpen();
            try {
                return operation.perform();
            } catch (TreeException e) {
                throw Refusal.of(e, path, other);
            }
        }
    }

    private Place place(TreePath path, boolean follow) throws TreeException {
        return new PathWalk(tree, user).to(path, follow);
    }

    private Place existing(TreePath path, boolean follow) throws TreeException {
        Place place = place(path, follow);
        requireExists(place);
        return place;
    }

    private static void requireExists(Place place) throws TreeException {
        if (place.inode() == 0) {
            throw new TreeException(Errno.ENOENT, "there is no '" + place.name() + "'");
        }
    }

    private static void requireName(Place place) throws TreeException {
        if (place.name().equals(".") || place.name().equals("..")) {
            throw new TreeException(Errno.EBUSY, "'" + place.name() + "' cannot be renamed");
        }
    }

    private void requireFree(Place place) throws TreeException {
        if (place.inode() != 0) {
            throw new TreeException(Errno.EEXIST, "'" + place.name() + "'");
        }
        user.require(Credentials.WRITE | Credentials.EXECUTE, tree.attributes(place.directory()));
    }

    private void requireRemovable(Place place) throws TreeException {
        if (place.inode() == FileTree.ROOT) {
            throw new TreeException(Errno.EBUSY, "the root is in use");
        }
        if (place.name().equals(".")) {
            throw new TreeException(Errno.EINVAL, "'.' cannot be removed from the directory");
        }
        if (place.name().equals("..")) {
            throw new TreeException(Errno.ENOTEMPTY, "'..' has the directory in it");
        }
        user.requireRemovable(tree.attributes(place.directory()), tree.attributes(place.inode()));
    }

    /** Opens a file; the caller has to register with {@link #opened} what it makes of it. */
    OpenFile open(TreePath path, OpenOptions options, int mode) throws IOException {
        try {
            return openOrRefuse(path, options, mode);
        } catch (FileSystemException e) {
            if (Refusal.is(e, Errno.ELOOP) && options.refusesLinks()) {
                throw new IOException(Errno.ELOOP.text() + " (NOFOLLOW_LINKS specified)", e.getCause());
            }
            throw e;
        }
    }

    private OpenFile openOrRefuse(TreePath path, OpenOptions options, int mode) throws IOException {
        return perform(path, () -> {
            Place place = place(path, options.followsLinks());
            long inode = place.inode();
            if (inode == 0 && !options.creates()) {
                throw new TreeException(Errno.ENOENT, "there is no '" + place.name() + "'");
            }
            if (inode == 0) {
                requireFree(place);
                inode = tree.create(place.directory(), place.name(), mode & ~UMASK, user.uid(), user.gid());
            } else {
                openExisting(place, options);
            }
            tree.hold(inode);
            if (options.deletes()) {
                // At once, as the JDK does where a file can be open without a name.
                removeOpened(path);
            }
            return new OpenFile(this, path, options, inode);
        });
    }

    private void openExisting(Place place, OpenOptions options) throws TreeException {
        if (options.createsNew()) {
            throw new TreeException(Errno.EEXIST, "'" + place.name() + "'");
        }
        Attributes file = tree.attributes(place.inode());
        if (file.kind() == Kind.SYMLINK) {
            throw new TreeException(Errno.ELOOP,
                    "'" + place.name() + "' is a symbolic link, which was not to be followed");
        }
        if (file.kind() == Kind.DIRECTORY && options.writes()) {
            throw new TreeException(Errno.EISDIR, "'" + place.name() + "'");
        }
        user.require(options.rights(), file);
        if (options.writes() && tree.isReadOnly()) {
            throw new TreeException(Errno.EROFS, "the file system is read-only");
        }
        if (options.truncates()) {
            tree.truncate(place.inode(), 0);
        }
    }

    /** Takes its name from a file that is open. What cannot be removed keeps it, which the JDK does not tell either. */
    private void removeOpened(TreePath path) {
        try {
            Place place = existing(path, false);
            requireRemovable(place);
            tree.unlink(place.directory(), place.name());
        } catch (TreeException _) {
            return;
        }
    }

    TreeDirectoryStream list(TreePath path, DirectoryStream.Filter<? super Path> filter) throws IOException {
        try {
            List<String> names = perform(path, () -> {
                Place place = existing(path, true);
                user.require(Credentials.READ, tree.attributes(place.inode()));
                return tree.list(place.inode()).stream().map(DirectoryEntry::name).toList();
            });
            return opened(new TreeDirectoryStream(path, names, filter));
        } catch (FileSystemException e) {
            throw Refusal.is(e, Errno.ENOTDIR) ? Refusal.because(e, new NotDirectoryException(path.toString())) : e;
        }
    }

    void createDirectory(TreePath path, int mode) throws IOException {
        perform(path, () -> {
            Place place = place(path, false);
            requireFree(place);
            return tree.mkdir(place.directory(), place.name(), mode & ~UMASK, user.uid(), user.gid());
        });
    }

    void createSymbolicLink(TreePath path, String target) throws IOException {
        perform(path, () -> {
            Place place = place(path, false);
            requireFree(place);
            return tree.symlink(place.directory(), place.name(), target, user.uid(), user.gid());
        });
    }

    void createLink(TreePath path, TreePath existing) throws IOException {
        perform(path, existing, () -> {
            Place from = existing(existing, false);
            Place place = place(path, false);
            requireFree(place);
            tree.link(from.inode(), place.directory(), place.name());
            return place;
        });
    }

    String readSymbolicLink(TreePath path) throws IOException {
        try {
            return perform(path, () -> tree.readlink(existing(path, false).inode()));
        } catch (FileSystemException e) {
            throw Refusal.is(e, Errno.EINVAL) ? Refusal.because(e, new NotLinkException(path.toString())) : e;
        }
    }

    void delete(TreePath path) throws IOException {
        try {
            perform(path, () -> {
                Place place = existing(path, false);
                requireRemovable(place);
                if (tree.kind(place.inode()) == Kind.DIRECTORY) {
                    tree.rmdir(place.directory(), place.name());
                } else {
                    tree.unlink(place.directory(), place.name());
                }
                return place;
            });
        } catch (FileSystemException e) {
            throw Refusal.is(e, Errno.ENOTEMPTY)
                    ? Refusal.because(e, new DirectoryNotEmptyException(path.toString()))
                    : e;
        }
    }

    /** Moves a name, in place of what has the other one. */
    void rename(TreePath source, TreePath target) throws IOException {
        perform(source, target, () -> {
            Place from = place(source, false);
            Place to = place(target, false);
            requireName(from);
            requireName(to);
            requireExists(from);
            requireRemovable(from);
            if (from.directory() != to.directory() && tree.kind(from.inode()) == Kind.DIRECTORY) {
                user.require(Credentials.WRITE, tree.attributes(from.inode()));
            }
            if (to.inode() != 0) {
                requireRemovable(to);
            } else {
                requireFree(to);
            }
            tree.rename(from.directory(), from.name(), to.directory(), to.name(), RenameMode.REPLACE);
            return to;
        });
    }

    Attributes attributes(TreePath path, boolean follow) throws IOException {
        return perform(path, () -> tree.attributes(looked(path, follow).inode()));
    }

    /** The number of the inode that a path leads to. */
    long inode(TreePath path) throws IOException {
        return perform(path, () -> existing(path, true).inode());
    }

    /** What is looked at below a file does not exist, and it is not said that the file is no directory. */
    private Place looked(TreePath path, boolean follow) throws TreeException {
        try {
            return existing(path, follow);
        } catch (TreeException e) {
            throw e.errno() == Errno.ENOTDIR ? new TreeException(Errno.ENOENT, e.toString()) : e;
        }
    }

    /** Null if there is no such file, or it cannot be said. */
    @Nullable
    Attributes attributesIfExists(TreePath path, boolean follow) throws IOException {
        return perform(path, () -> {
            try {
                long inode = place(path, follow).inode();
                return inode == 0 ? Optional.<Attributes>empty() : Optional.of(tree.attributes(inode));
            } catch (TreeException e) {
                if (e.errno() == Errno.ENOENT) {
                    return Optional.<Attributes>empty();
                }
                throw e;
            }
        }).orElse(null);
    }

    boolean isDirectory(TreePath path) {
        try {
            Attributes found = attributesIfExists(path, true);
            return found != null && found.kind() == Kind.DIRECTORY;
        } catch (IOException e) {
            return false; // as Files.isDirectory says of what it cannot look at
        }
    }

    void checkAccess(TreePath path, int rights) throws IOException {
        perform(path, () -> {
            Place place = looked(path, true);
            user.require(rights, tree.attributes(place.inode()));
            if ((rights & Credentials.WRITE) != 0 && tree.isReadOnly()) {
                throw new TreeException(Errno.EROFS, "the file system is read-only");
            }
            return place;
        });
    }

    TreePath realPath(TreePath path, boolean follow) throws IOException {
        if (!follow) {
            return realPathOfLink(path.toAbsolutePath());
        }
        List<String> names = perform(path, () -> {
            PathWalk walk = new PathWalk(tree, user);
            Place place = walk.to(path, true);
            requireExists(place);
            return walk.realNames(place);
        });
        return getPath("/" + String.join("/", names));
    }

    /** The path without what can be left out if no link is followed: of a link and ".." after it nothing can. */
    private TreePath realPathOfLink(TreePath path) throws IOException {
        TreePath real = getPath("/");
        for (String name : path.names()) {
            TreePath parent = real.getParent();
            if (name.equals("..") && kindOf(real) != Kind.SYMLINK) {
                real = parent == null ? real : parent;
            } else if (!name.equals(".")) {
                real = real.resolve(getPath(name));
            }
        }
        var _ = kindOf(real);
        return real;
    }

    private Kind kindOf(TreePath path) throws IOException {
        return perform(path, () -> tree.kind(existing(path, false).inode()));
    }

    void setTimes(TreePath path, boolean follow, long accessedNanos, long modifiedNanos) throws IOException {
        change(path, follow, inode -> {
            if (tree.kind(inode) != Kind.SYMLINK) {
                // The JDK opens what it sets the times of.
                user.require(Credentials.READ, tree.attributes(inode));
            }
            tree.setTimes(inode, accessedNanos, modifiedNanos);
        });
    }

    void setMode(TreePath path, boolean follow, int mode) throws IOException {
        change(path, follow, inode -> {
            if (tree.kind(inode) == Kind.SYMLINK) {
                throw new TreeException(Errno.EOPNOTSUPP, "a symbolic link has no permissions");
            }
            tree.setMode(inode, mode);
        });
    }

    void setOwner(TreePath path, boolean follow, int uid, int gid) throws IOException {
        change(path, follow, inode -> {
            if (user.uid() != 0 && uid != -1 && uid != user.uid()) {
                throw new TreeException(Errno.EPERM, "only user 0 gives files away");
            }
            if (user.uid() != 0 && gid != -1 && gid != user.gid() && gid != tree.attributes(inode).gid()) {
                throw new TreeException(Errno.EPERM,
                        "user " + user.uid() + " is in group " + user.gid() + " alone, and not in " + gid);
            }
            tree.setOwner(inode, uid, gid);
        });
    }

    /** What is changed of an inode. */
    @FunctionalInterface
    private interface InodeChange {
        void of(long inode) throws TreeException;
    }

    private void change(TreePath path, boolean follow, InodeChange change) throws IOException {
        perform(path, () -> {
            Place place = existing(path, follow);
            user.requireOwner(tree.attributes(place.inode()));
            change.of(place.inode());
            return place;
        });
    }

    @Override
    public String toString() {
        return MemoryFileSystemProvider.SCHEME + "://" + name;
    }
}
