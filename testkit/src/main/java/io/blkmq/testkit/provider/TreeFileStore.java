package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileOwnerAttributeView;
import java.nio.file.attribute.FileStoreAttributeView;
import java.nio.file.attribute.PosixFileAttributeView;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The memory that a file system may use. */
final class TreeFileStore extends FileStore {
    private static final Set<Class<?>> VIEWS = Set.of(BasicFileAttributeView.class, FileOwnerAttributeView.class,
            PosixFileAttributeView.class);

    private final TreeFileSystem fileSystem;

    TreeFileStore(TreeFileSystem fileSystem) {
        this.fileSystem = fileSystem;
    }

    @Override
    public String name() {
        return fileSystem.name();
    }

    @Override
    public String type() {
        return MemoryFileSystemProvider.SCHEME;
    }

    @Override
    public boolean isReadOnly() {
        return fileSystem.isReadOnly();
    }

    @Override
    public long getTotalSpace() {
        return fileSystem.tree().statfs().capacityBytes();
    }

    @Override
    public long getUsableSpace() {
        return fileSystem.tree().statfs().freeBytes();
    }

    @Override
    public long getUnallocatedSpace() {
        return getUsableSpace();
    }

    @Override
    public long getBlockSize() {
        return FileTree.PAGE_BYTES;
    }

    @Override
    public boolean supportsFileAttributeView(Class<? extends FileAttributeView> type) {
        return VIEWS.contains(type);
    }

    @Override
    public boolean supportsFileAttributeView(String name) {
        return fileSystem.supportedFileAttributeViews().contains(name);
    }

    @Override
    public <V extends FileStoreAttributeView> @Nullable V getFileStoreAttributeView(Class<V> type) {
        return null;
    }

    @Override
    public Object getAttribute(String attribute) throws IOException {
        return switch (attribute) {
            case "totalSpace" -> getTotalSpace();
            case "usableSpace" -> getUsableSpace();
            case "unallocatedSpace" -> getUnallocatedSpace();
            default -> throw new UnsupportedOperationException(
                    "'" + attribute + "': totalSpace, usableSpace and unallocatedSpace are possible");
        };
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof TreeFileStore store && store.fileSystem == fileSystem;
    }

    @Override
    public int hashCode() {
        return fileSystem.hashCode();
    }

    @Override
    public String toString() {
        return fileSystem.toString();
    }
}
