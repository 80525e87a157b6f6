package io.blkmq.testkit.provider;

import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A path by the rules of Unix: names with slashes between them, a slash before them if it is absolute. Immutable. */
final class TreePath implements Path {
    private final TreeFileSystem fileSystem;
    private final boolean absolute;
    /** The empty path has one name, which is empty; the root has none. */
    private final List<String> names;
    private final String text;

    private TreePath(TreeFileSystem fileSystem, boolean absolute, List<String> names) {
        this.fileSystem = fileSystem;
        this.absolute = absolute;
        this.names = names;
        this.text = (absolute ? "/" : "") + String.join("/", names);
    }

    /** The path that a text means, in which several slashes count as one, and those at the end as none. */
    static TreePath parse(TreeFileSystem fileSystem, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new InvalidPathException(text, "Nul character not allowed", text.indexOf('\0'));
        }
        try {
            var _ = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
        } catch (CharacterCodingException e) {
            InvalidPathException invalid = new InvalidPathException(text, "Half a surrogate pair is no character");
            invalid.initCause(e);
            throw invalid;
        }
        boolean absolute = text.startsWith("/");
        List<String> names = new ArrayList<>();
        for (String name : text.split("/", -1)) {
            if (!name.isEmpty()) {
                names.add(name);
            }
        }
        return of(fileSystem, absolute, names);
    }

    /** A path of some names; a relative one of none is the empty one. */
    private static TreePath of(TreeFileSystem fileSystem, boolean absolute, List<String> names) {
        return new TreePath(fileSystem, absolute, names.isEmpty() && !absolute ? List.of("") : List.copyOf(names));
    }

    /** This path, or another one if it is of the same provider. */
    static TreePath of(Path path) {
        if (path instanceof TreePath tree) {
            return tree;
        }
        Objects.requireNonNull(path, "path");
        throw new ProviderMismatchException(
                "the path " + path + " is of provider " + path.getFileSystem().provider().getScheme());
    }

    private TreePath with(boolean isAbsolute, List<String> of) {
        return of(fileSystem, isAbsolute, of);
    }

    boolean isEmpty() {
        return !absolute && names.size() == 1 && names.getFirst().isEmpty();
    }

    /** The names; none for the empty path. */
    List<String> names() {
        return isEmpty() ? List.of() : names;
    }

    @Override
    public TreeFileSystem getFileSystem() {
        return fileSystem;
    }

    @Override
    public boolean isAbsolute() {
        return absolute;
    }

    @Override
    public @Nullable TreePath getRoot() {
        return absolute ? with(true, List.of()) : null;
    }

    @Override
    public @Nullable TreePath getFileName() {
        return names.isEmpty() ? null : with(false, List.of(names.getLast()));
    }

    @Override
    public @Nullable TreePath getParent() {
        if (names.size() > 1) {
            return with(absolute, names.subList(0, names.size() - 1));
        }
        return names.isEmpty() ? null : getRoot();
    }

    @Override
    public int getNameCount() {
        return names.size();
    }

    @Override
    public TreePath getName(int index) {
        requireIndex("index", index, 0, names.size() - 1);
        return with(false, List.of(names.get(index)));
    }

    @Override
    public TreePath subpath(int beginIndex, int endIndex) {
        requireIndex("beginIndex", beginIndex, 0, names.size() - 1);
        requireIndex("endIndex", endIndex, beginIndex + 1, names.size());
        return with(false, names.subList(beginIndex, endIndex));
    }

    private void requireIndex(String what, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(what + " " + value + ": "
                    + (min > max
                            ? "'" + this + "' has no names"
                            : min + " to " + max + " are possible in '" + this + "'"));
        }
    }

    @Override
    public boolean startsWith(Path other) {
        return Objects.requireNonNull(other) instanceof TreePath path && path.fileSystem == fileSystem
                && path.absolute == absolute && path.isEmpty() == isEmpty() && path.names.size() <= names.size()
                && names.subList(0, path.names.size()).equals(path.names);
    }

    @Override
    public boolean endsWith(Path other) {
        if (!(Objects.requireNonNull(other) instanceof TreePath path) || path.fileSystem != fileSystem) {
            return false;
        }
        if (path.absolute || path.isEmpty()) {
            return equals(path);
        }
        int from = names.size() - path.names.size();
        return from >= 0 && names.subList(from, names.size()).equals(path.names);
    }

    @Override
    public TreePath normalize() {
        List<String> kept = new ArrayList<>();
        for (String name : names()) {
            boolean hasParent = !kept.isEmpty() && !kept.getLast().equals("..");
            if (name.equals("..") && hasParent) {
                kept.removeLast();
            } else if (!name.equals(".") && !(name.equals("..") && absolute)) {
                kept.add(name);
            }
        }
        return with(absolute, kept);
    }

    @Override
    public TreePath resolve(Path other) {
        TreePath path = of(other);
        if (path.absolute || isEmpty()) {
            return path;
        }
        if (path.isEmpty()) {
            return this;
        }
        List<String> all = new ArrayList<>(names);
        all.addAll(path.names);
        return with(absolute, all);
    }

    @Override
    public TreePath relativize(Path other) {
        TreePath path = of(other);
        if (path.equals(this)) {
            return with(false, List.of());
        }
        if (path.absolute != absolute) {
            throw new IllegalArgumentException(
                    "'" + other + "' and '" + this + "' are not both absolute, nor both relative");
        }
        if (isEmpty()) {
            return path;
        }
        List<String> from = normalize().names();
        List<String> to = path.normalize().names();
        int common = 0;
        while (common < Math.min(from.size(), to.size()) && from.get(common).equals(to.get(common))) {
            common++;
        }
        List<String> relative = new ArrayList<>();
        for (String name : from.subList(common, from.size())) {
            if (name.equals("..")) {
                throw new IllegalArgumentException(
                        "what '" + this + "' leads to has no name, so '" + other + "' cannot be told relatively to it");
            }
            relative.add("..");
        }
        relative.addAll(to.subList(common, to.size()));
        return with(false, relative);
    }

    @Override
    public URI toUri() {
        String path = toAbsolutePath().toString();
        if (!path.endsWith("/") && fileSystem.isOpen() && fileSystem.isDirectory(this)) {
            path += "/";
        }
        try {
            return new URI(MemoryFileSystemProvider.SCHEME, fileSystem.name(), path, null, null);
        } catch (URISyntaxException e) {
            throw new AssertionError("a path is a path of a URI: " + path, e);
        }
    }

    @Override
    public TreePath toAbsolutePath() {
        return absolute ? this : with(true, names());
    }

    @Override
    public TreePath toRealPath(LinkOption... options) throws IOException {
        return fileSystem.realPath(this, !Arrays.asList(options).contains(LinkOption.NOFOLLOW_LINKS));
    }

    @Override
    public File toFile() {
        throw new UnsupportedOperationException(
                "'" + this + "' is a path of a file system in memory, which java.io.File does"
                        + " not reach. A program that needs files by this way can be tested over FUSE.");
    }

    @Override
    public WatchKey register(WatchService watcher, WatchEvent.Kind<?>[] events, WatchEvent.Modifier... modifiers) {
        Objects.requireNonNull(watcher);
        throw new ProviderMismatchException("file system " + fileSystem + " has no watch services");
    }

    /** By the bytes of the names in UTF-8, as the names of Unix are compared. */
    @Override
    public int compareTo(Path other) {
        return Arrays.compareUnsigned(text.getBytes(StandardCharsets.UTF_8),
                ((TreePath) other).text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof TreePath path && path.fileSystem == fileSystem && path.text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    @Override
    public String toString() {
        return text;
    }
}
