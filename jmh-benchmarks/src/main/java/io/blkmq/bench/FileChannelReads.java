package io.blkmq.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Reads through a file channel, one after the other: it has no depth. */
final class FileChannelReads implements RandomReads {
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final ByteBuffer buffer;
    private final Blocks blocks;

    /** Closes the channel in the end. */
    FileChannelReads(FileChannel channel, int seed) throws IOException {
        this.channel = channel;
        buffer = arena.allocate(BLOCK_BYTES, BLOCK_BYTES).asByteBuffer();
        blocks = new Blocks(channel.size(), seed);
    }

    /** Reading, and direct, which the compiler must not see because it is the JDK's own. */
    static Set<OpenOption> options(boolean direct) {
        try {
            Stream<OpenOption> more = direct
                    ? Arrays.stream(Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants())
                            .filter(option -> option.toString().equals("DIRECT")).map(OpenOption.class::cast)
                    : Stream.empty();
            return Stream.concat(Stream.of(StandardOpenOption.READ), more).collect(Collectors.toSet());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void run(int count) throws IOException {
        for (int i = 0; i < count; i++) {
            if (channel.read(buffer.clear(), blocks.nextOffset()) != BLOCK_BYTES) {
                throw new IllegalStateException("a read failed");
            }
        }
    }

    @Override
    public void drain() {
        // Each has ended before the next begins.
    }

    @Override
    public void close() throws IOException {
        channel.close();
        arena.close();
    }
}
