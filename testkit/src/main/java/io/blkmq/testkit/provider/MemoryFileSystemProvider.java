package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileOwnerAttributeView;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.spi.FileSystemProvider;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The provider of file systems in memory, by URIs as {@code blkmq-crash://name/path}. They are made by {@link #newFileSystem(String,
 * FileTree, int, int, boolean)}, not by URIs. Thread-safe.
 */
public final class MemoryFileSystemProvider extends FileSystemProvider {
    /** The scheme of its URIs. */
    public static final String SCHEME = "blkmq-crash";
    /** The user and the group as whom a program uses a file system unless it is made for others. */
    public static final int USER = Principals.PROGRAM;

    private static final MemoryFileSystemProvider INSTANCE = new MemoryFileSystemProvider();
    private static final ConcurrentMap<String, TreeFileSystem> FILE_SYSTEMS = new ConcurrentHashMap<>();
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?");
    private static final int FILE_MODE = 0666;
    private static final int DIRECTORY_MODE = 0777;

    /** Made by the JDK, which looks for the provider of a scheme. */
    public MemoryFileSystemProvider() {
        super();
    }

    /**
     * The provider of all file systems.
     *
     * @return one
     */
    static MemoryFileSystemProvider instance() {
        return INSTANCE;
    }

    /**
     * Makes a file system of a tree.
     *
     * @param name by which URIs name it, free again when it is closed: letters and digits, and within them dots and hyphens
     * @param tree what is in it; stays when the file system is closed
     * @param uid the user as whom it is used; 0 may do everything
     * @param gid the user's group
     * @param mapsByCopy whether a file can be mapped to be read, which gives a copy
     * @return the file system
     * @throws FileSystemAlreadyExistsException if an open one has the name
     * @throws IllegalArgumentException if the name is none
     */
    public static TreeFileSystem newFileSystem(String name, FileTree tree, int uid, int gid, boolean mapsByCopy) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "name '" + name + "': letters and digits are possible, and dots and hyphens" + " between them");
        }
        TreeFileSystem made = new TreeFileSystem(name, tree, new Credentials(uid, gid), mapsByCopy);
        if (FILE_SYSTEMS.putIfAbsent(name, made) != null) {
            throw new FileSystemAlreadyExistsException("a file system " + made + " is open already");
        }
        return made;
    }

    static void forget(TreeFileSystem closed) {
        FILE_SYSTEMS.remove(closed.name(), closed);
    }

    @Override
    public String getScheme() {
        return SCHEME;
    }

    /** Refused: there would be nobody to say how large it is, and which crashes it should meet. */
    @Override
    public FileSystem newFileSystem(URI uri, Map<String, ?> env) {
        String name = nameOf(uri);
        if (FILE_SYSTEMS.containsKey(name)) {
            throw new FileSystemAlreadyExistsException("a file system " + uri + " is open already");
        }
        // An UnsupportedOperationException would make the JDK say that there is no such provider.
        throw new IllegalArgumentException(
                uri + ": a file system of scheme " + SCHEME + " is made by MemoryFileSystem.create or by a crash test");
    }

    @Override
    public FileSystem getFileSystem(URI uri) {
        return find(uri);
    }

    @Override
    public Path getPath(URI uri) {
        TreeFileSystem found = find(uri);
        if (uri.getPath().isEmpty()) {
            throw new IllegalArgumentException(uri + " has no path");
        }
        return found.getPath(uri.getPath());
    }

    private static TreeFileSystem find(URI uri) {
        TreeFileSystem found = FILE_SYSTEMS.get(nameOf(uri));
        if (found == null) {
            throw new FileSystemNotFoundException("no file system of " + uri + " is open");
        }
        return found;
    }

    private static String nameOf(URI uri) {
        if (!SCHEME.equalsIgnoreCase(uri.getScheme()) || uri.getAuthority() == null || uri.getQuery() != null
                || uri.getFragment() != null) {
            throw new IllegalArgumentException(uri + ": " + SCHEME + "://NAME/PATH is possible");
        }
        return uri.getAuthority();
    }

    private static boolean follows(LinkOption... options) {
        return !Arrays.asList(options).contains(LinkOption.NOFOLLOW_LINKS);
    }

    /** The mode that attributes for a new file ask for. */
    private static int mode(int otherwise, FileAttribute<?>... attributes) {
        int mode = otherwise;
        for (FileAttribute<?> attribute : attributes) {
            if (!attribute.name().equals("posix:permissions")) {
                throw new UnsupportedOperationException(
                        "'" + attribute.name() + "' not supported as initial attribute: posix:permissions is");
            }
            Set<PosixFilePermission> permissions = new HashSet<>();
            ((Set<?>) attribute.value()).forEach(permission -> permissions.add((PosixFilePermission) permission));
            mode = TreeAttributes.mode(permissions);
        }
        return mode;
    }

    private static OpenFile open(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        TreePath of = TreePath.of(path);
        OpenOptions how = new OpenOptions(options);
        if (how.createsNew() && of.endsWith(".")) {
            throw new FileAlreadyExistsException(of.toString()); // wherever it leads, as the JDK says
        }
        return of.getFileSystem().open(of, how, mode(FILE_MODE, attributes));
    }

    @Override
    public SeekableByteChannel newByteChannel(Path path, Set<? extends OpenOption> options,
            FileAttribute<?>... attributes) throws IOException {
        return newFileChannel(path, options, attributes);
    }

    @Override
    public FileChannel newFileChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        OpenFile file = open(path, options, attributes);
        return file.fileSystem().opened(new TreeFileChannel(file));
    }

    @Override
    public AsynchronousFileChannel newAsynchronousFileChannel(Path path, Set<? extends OpenOption> options,
            @Nullable ExecutorService executor, FileAttribute<?>... attributes) throws IOException {
        if (options.contains(StandardOpenOption.APPEND)) {
            throw new UnsupportedOperationException("an asynchronous channel has no position, so it cannot APPEND");
        }
        OpenFile file = open(path, options, attributes);
        return file.fileSystem().opened(new TreeAsynchronousFileChannel(file, executor));
    }

    @Override
    public InputStream newInputStream(Path path, OpenOption... options) throws IOException {
        Set<OpenOption> all = new HashSet<>(Arrays.asList(options));
        if (all.contains(StandardOpenOption.WRITE) || all.contains(StandardOpenOption.APPEND)) {
            throw new UnsupportedOperationException("an input stream cannot be opened with " + all);
        }
        all.add(StandardOpenOption.READ);
        OpenFile file = open(path, all);
        return file.fileSystem().opened(new TreeInputStream(file));
    }

    @Override
    public OutputStream newOutputStream(Path path, OpenOption... options) throws IOException {
        Set<OpenOption> all = new HashSet<>(Arrays.asList(options));
        if (all.contains(StandardOpenOption.READ)) {
            throw new IllegalArgumentException("an output stream cannot be opened with READ");
        }
        if (all.isEmpty()) {
            all.add(StandardOpenOption.CREATE);
            all.add(StandardOpenOption.TRUNCATE_EXISTING);
        }
        all.add(StandardOpenOption.WRITE);
        OpenFile file = open(path, all);
        return file.fileSystem().opened(new TreeOutputStream(file));
    }

    @Override
    public DirectoryStream<Path> newDirectoryStream(Path directory, DirectoryStream.Filter<? super Path> filter)
            throws IOException {
        TreePath of = TreePath.of(directory);
        return of.getFileSystem().list(of, filter);
    }

    @Override
    public void createDirectory(Path directory, FileAttribute<?>... attributes) throws IOException {
        TreePath of = TreePath.of(directory);
        of.getFileSystem().createDirectory(of, mode(DIRECTORY_MODE, attributes));
    }

    @Override
    public void createSymbolicLink(Path link, Path target, FileAttribute<?>... attributes) throws IOException {
        TreePath of = TreePath.of(link);
        if (attributes.length > 0) {
            throw new UnsupportedOperationException(
                    "Initial file attributes not supported when creating symbolic link");
        }
        of.getFileSystem().createSymbolicLink(of, TreePath.of(target).toString());
    }

    @Override
    public void createLink(Path link, Path existing) throws IOException {
        TreePath of = TreePath.of(link);
        TreePath file = TreePath.of(existing);
        requireSame(of, file);
        of.getFileSystem().createLink(of, file);
    }

    private static void requireSame(TreePath one, TreePath other) throws IOException {
        if (one.getFileSystem() != other.getFileSystem()) {
            throw new FileSystemException(one.toString(), other.toString(), "they are in different file systems");
        }
    }

    @Override
    public Path readSymbolicLink(Path link) throws IOException {
        TreePath of = TreePath.of(link);
        return of.getFileSystem().getPath(of.getFileSystem().readSymbolicLink(of));
    }

    @Override
    public void delete(Path path) throws IOException {
        TreePath of = TreePath.of(path);
        of.getFileSystem().delete(of);
    }

    @Override
    public void copy(Path source, Path target, CopyOption... options) throws IOException {
        new Transfer(TreePath.of(source), TreePath.of(target), options).copy();
    }

    @Override
    public void move(Path source, Path target, CopyOption... options) throws IOException {
        new Transfer(TreePath.of(source), TreePath.of(target), options).move();
    }

    @Override
    public boolean isSameFile(Path path, Path other) throws IOException {
        TreePath one = TreePath.of(path);
        if (one.equals(other)) {
            return true;
        }
        if (!(other instanceof TreePath two)) {
            return false;
        }
        long first = one.getFileSystem().inode(one);
        long second = two.getFileSystem().inode(two);
        return one.getFileSystem() == two.getFileSystem() && first == second;
    }

    @Override
    public boolean isHidden(Path path) {
        TreePath name = TreePath.of(path).getFileName();
        return name != null && name.toString().startsWith(".");
    }

    @Override
    public FileStore getFileStore(Path path) throws IOException {
        TreePath of = TreePath.of(path);
        var _ = of.getFileSystem().inode(of);
        return new TreeFileStore(of.getFileSystem());
    }

    @Override
    public void checkAccess(Path path, AccessMode... modes) throws IOException {
        TreePath of = TreePath.of(path);
        int rights = 0;
        for (AccessMode mode : modes) {
            rights |= switch (mode) {
                case READ -> Credentials.READ;
                case WRITE -> Credentials.WRITE;
                case EXECUTE -> Credentials.EXECUTE;
            };
        }
        of.getFileSystem().checkAccess(of, rights);
    }

    @Override
    public <V extends FileAttributeView> @Nullable V getFileAttributeView(Path path, Class<V> type,
            LinkOption... options) {
        String name = type == BasicFileAttributeView.class
                ? "basic"
                : type == FileOwnerAttributeView.class
                        ? "owner"
                        : type == PosixFileAttributeView.class ? "posix" : null;
        return name == null ? null : type.cast(new AttributeView(TreePath.of(path), follows(options), name));
    }

    @Override
    public <A extends BasicFileAttributes> A readAttributes(Path path, Class<A> type, LinkOption... options)
            throws IOException {
        requireKnown(type);
        return type.cast(new AttributeView(TreePath.of(path), follows(options), "posix").readAttributes());
    }

    private static void requireKnown(Class<? extends BasicFileAttributes> type) {
        if (type != BasicFileAttributes.class && type != PosixFileAttributes.class) {
            throw new UnsupportedOperationException(
                    type.getName() + ": BasicFileAttributes and PosixFileAttributes are possible");
        }
    }

    @Override
    public <A extends BasicFileAttributes> @Nullable A readAttributesIfExists(Path path, Class<A> type,
            LinkOption... options) throws IOException {
        requireKnown(type);
        TreePath of = TreePath.of(path);
        Attributes found = of.getFileSystem().attributesIfExists(of, follows(options));
        return found == null ? null : type.cast(new TreeAttributes(of.getFileSystem(), found));
    }

    @Override
    public boolean exists(Path path, LinkOption... options) {
        TreePath of = TreePath.of(path);
        try {
            return of.getFileSystem().attributesIfExists(of, follows(options)) != null;
        } catch (IOException e) {
            return false; // as Files.exists says of what it cannot look at
        }
    }

    @Override
    public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options) throws IOException {
        return new NamedAttributes(TreePath.of(path), follows(options), attributes).read();
    }

    @Override
    public void setAttribute(Path path, String attribute, Object value, LinkOption... options) throws IOException {
        new NamedAttributes(TreePath.of(path), follows(options), attribute).set(value);
    }
}
