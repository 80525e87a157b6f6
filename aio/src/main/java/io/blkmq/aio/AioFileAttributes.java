package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What the system says of a file that has a name: {@code statx}. Where it is not Linux that is asked, or the file has no name but in
 * memory, what is not known is -1, and a time that is not known is the epoch.
 *
 * @param mode kind and permissions, {@code st_mode}; the kind alone where permissions are not known
 * @param size bytes; 0 of a block device, whose capacity {@link AioFile#size} tells
 * @param allocatedBytes the storage that the file takes, in bytes; less than its size if it has holes
 * @param preferredBytes the size of I/O that the file system does best, in bytes
 * @param links how many names the file has
 * @param uid the number of its owner
 * @param gid the number of its group
 * @param inode its number on its device
 * @param device the device that it is on: the major number in the upper half, the minor in the lower
 * @param lastModifiedTime of its content
 * @param lastAccessTime of its content
 * @param lastChangeTime of content or attributes
 * @param creationTime of the file; where the file system has none, that of the last modification
 * @since 0.1.0
 */
public record AioFileAttributes(int mode, long size, long allocatedBytes, int preferredBytes, int links, int uid,
        int gid, long inode, long device, FileTime lastModifiedTime, FileTime lastAccessTime, FileTime lastChangeTime,
        FileTime creationTime) implements BasicFileAttributes {

    static final int STATX_BTIME = 0x800;

    private static final int TYPE = 0xf000;
    private static final int TYPE_DIRECTORY = 0x4000;
    private static final int TYPE_REGULAR = 0x8000;
    private static final int TYPE_LINK = 0xa000;

    /** The unit that the system counts allocated storage in, whatever the block of the file system. */
    private static final int UNIT = 512;

    private static final FileTime UNKNOWN = FileTime.fromMillis(0);

    /** What is equal for two names of one file. */
    private record Key(long device, long inode) {}

    /** What the kernel has written. */
    static AioFileAttributes of(MemorySegment statx) {
        FileTime modified = time(statx, "stx_mtime");
        boolean tellsCreation = (number(statx, "stx_mask") & STATX_BTIME) != 0;
        return new AioFileAttributes(Short.toUnsignedInt(statx.get(ValueLayout.JAVA_SHORT, at("stx_mode"))),
                statx.get(ValueLayout.JAVA_LONG, at("stx_size")),
                statx.get(ValueLayout.JAVA_LONG, at("stx_blocks")) * UNIT, number(statx, "stx_blksize"),
                number(statx, "stx_nlink"), number(statx, "stx_uid"), number(statx, "stx_gid"),
                statx.get(ValueLayout.JAVA_LONG, at("stx_ino")), FileFacts.device(statx, at("stx_dev_major")), modified,
                time(statx, "stx_atime"), time(statx, "stx_ctime"),
                tellsCreation ? time(statx, "stx_btime") : modified);
    }

    private static long at(String member) {
        return Libc.offset(FileFacts.STATX, member);
    }

    private static int number(MemorySegment statx, String member) {
        return statx.get(ValueLayout.JAVA_INT, at(member));
    }

    private static FileTime time(MemorySegment statx, String member) {
        long at = at(member);
        return FileTime.from(Instant.ofEpochSecond(statx.get(ValueLayout.JAVA_LONG, at),
                statx.get(ValueLayout.JAVA_INT, at + Libc.offset(FileFacts.STATX_TIMESTAMP, "tv_nsec"))));
    }

    /** Those of a name, by a call that blocks. */
    static AioFileAttributes of(Path path) throws IOException {
        if (NativeAccess.refusal() != null || !path.getFileSystem().equals(FileSystems.getDefault())) {
            return ofAnyProvider(path);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment statx = arena.allocate(FileFacts.STATX);
            int result = FileFacts.ofName(PathName.of(path, arena), statx);
            if (result < 0) {
                throw AioException.of(result, path, "statx");
            }
            return of(statx);
        }
    }

    private static AioFileAttributes ofAnyProvider(Path path) throws IOException {
        BasicFileAttributes known = Files.readAttributes(path, BasicFileAttributes.class);
        int kind = known.isRegularFile() ? TYPE_REGULAR : known.isDirectory() ? TYPE_DIRECTORY : 0;
        return new AioFileAttributes(kind, known.size(), -1, -1, -1, -1, -1, -1, -1, known.lastModifiedTime(),
                known.lastAccessTime(), UNKNOWN, known.creationTime());
    }

    /** Those of a file that is in memory alone. */
    static AioFileAttributes inMemory(long size) {
        return new AioFileAttributes(TYPE_REGULAR, size, -1, -1, -1, -1, -1, -1, -1, UNKNOWN, UNKNOWN, UNKNOWN,
                UNKNOWN);
    }

    /** {@return the permissions alone, as {@code 0644}; 0 where they are not known} */
    public int permissions() {
        return mode & 07777;
    }

    @Override
    public boolean isRegularFile() {
        return (mode & TYPE) == TYPE_REGULAR;
    }

    @Override
    public boolean isDirectory() {
        return (mode & TYPE) == TYPE_DIRECTORY;
    }

    /** {@return false: a link is followed, and the attributes are those of the file that it leads to} */
    @Override
    public boolean isSymbolicLink() {
        return (mode & TYPE) == TYPE_LINK;
    }

    @Override
    public boolean isOther() {
        return !isRegularFile() && !isDirectory() && !isSymbolicLink();
    }

    /** {@return what is equal for two names of one file, while either is there; null where it is not known} */
    @Override
    public @Nullable Object fileKey() {
        return inode < 0 ? null : new Key(device, inode);
    }
}
