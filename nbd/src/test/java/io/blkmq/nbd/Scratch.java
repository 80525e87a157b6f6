package io.blkmq.nbd;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Disks and files that these tests serve. */
final class Scratch {
    private Scratch() {}

    static Disk memory(long bytes) throws IOException {
        return memory(bytes, NullBlk.Completion.REAPER);
    }

    static Disk memory(long bytes, NullBlk.Completion completion) throws IOException {
        return NullBlk.builder().name("mem").capacityBytes(bytes).memoryBacked(true).completion(completion).build();
    }

    static Path file(Path directory, String name, long bytes) throws IOException {
        Path path = directory.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    static Path randomFile(Path directory, String name, int bytes, long seed) throws IOException {
        byte[] content = new byte[bytes];
        new Random(seed).nextBytes(content);
        return Files.write(directory.resolve(name), content);
    }

    static LoopDevice loop(Path file) throws IOException {
        return LoopDevice.attach(LoopConfig.builder(file).direct(false).build());
    }
}
