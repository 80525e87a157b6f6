package io.blkmq.core;

import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.testing.channel.ChannelSubject;
import io.blkmq.testing.channel.JdkSubject;
import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;

/** A disk of 1 MiB that channels are opened on. */
final class DiskSubject extends ChannelSubject {

    /** The disks, and what their channels are compared with. */
    enum Kind {
        /** A file: the same but where it grows. */
        FILE,
        /** A loop device of the kernel: the same. Needs root. */
        NODE,
        /** A disk of blocks of 512 bytes, completed by another thread. */
        DISK_512,
        /** A disk of blocks of 4 KiB, completed at once. */
        DISK_4096,
        /** A disk that the waiting thread polls. */
        DISK_POLLED
    }

    private final Kind kind;
    private final Disk disk;

    private DiskSubject(Kind kind, Disk disk) {
        this.kind = kind;
        this.disk = disk;
    }

    static ChannelSubject of(Kind kind) throws IOException {
        return switch (kind) {
            case FILE -> JdkSubject.file();
            case NODE -> JdkSubject.node();
            case DISK_512 -> new DiskSubject(kind, disk(512, NullBlk.Completion.REAPER));
            case DISK_4096 -> new DiskSubject(kind, disk(4096, NullBlk.Completion.INLINE));
            case DISK_POLLED -> new DiskSubject(kind, disk(1024, NullBlk.Completion.POLLED));
        };
    }

    private static Disk disk(int blockBytes, NullBlk.Completion completion) throws IOException {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).blockBytes(blockBytes)
                .capacityBytes(BYTES).depth(4).build();
    }

    @Override
    public Family family() {
        return Family.DISK;
    }

    @Override
    public FileChannel open(OpenOption... options) {
        return disk.openChannel(options);
    }

    @Override
    public AsynchronousFileChannel openAsync(OpenOption... options) {
        return disk.openAsynchronousChannel(options);
    }

    @Override
    public void poll() {
        disk.poll();
    }

    @Override
    public void checkAtRest() {
        HeldTags.awaitNone(disk);
    }

    @Override
    public void reset() throws IOException {
        try (FileChannel channel = open()) {
            zero(channel);
        }
    }

    @Override
    public void close() {
        disk.close();
    }

    @Override
    public String toString() {
        return kind.toString();
    }
}
