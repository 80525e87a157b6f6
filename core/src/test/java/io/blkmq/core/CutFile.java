package io.blkmq.core;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Memory that maps a file which has been cut to nothing since: whoever touches it is thrown an {@link InternalError}. */
public final class CutFile {
    private CutFile() {}

    /**
     * Maps a file and cuts it.
     *
     * @param folder where the file is made
     * @param bytes how many are mapped
     * @param arena of the memory
     * @return the memory
     * @throws IOException if the file cannot be made
     */
    public static MemorySegment map(Path folder, int bytes, Arena arena) throws IOException {
        Path file = folder.resolve("cut");
        Files.write(file, new byte[bytes]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment mapped = channel.map(MapMode.READ_WRITE, 0, bytes, arena);
            var _ = channel.truncate(0);
            return mapped;
        }
    }
}
