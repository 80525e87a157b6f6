package io.blkmq.testing.channel;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;

/** Something of 1 MiB that channels are opened on. */
public abstract class ChannelSubject implements AutoCloseable {
    /** Its first size. */
    public static final int BYTES = 1 << 20;

    /** A subject. */
    protected ChannelSubject() {}

    /** What answers alike. */
    public enum Family {
        /** A file under the JDK's channels: the oracle. */
        FILE,
        /** The kernel's loop device under the JDK's channels: the oracle of what has a fixed size. Needs root. */
        NODE,
        /** A disk under its own channels. */
        DISK,
        /** A file under the channels of an engine. */
        ENGINE
    }

    /** {@return what it answers like} */
    public abstract Family family();

    /**
     * Opens a channel.
     *
     * @param options for reading and writing, if there are none
     * @return the channel
     */
    public abstract FileChannel open(OpenOption... options) throws IOException;

    /**
     * Opens a channel of the other kind.
     *
     * @param options for reading and writing, if there are none
     * @return the channel
     */
    public abstract AsynchronousFileChannel openAsync(OpenOption... options) throws IOException;

    /** Looks for completions, where whoever waits has to. */
    public void poll() {
        // Others do.
    }

    /** Checks, after some calls, that none has left anything behind. */
    public void checkAtRest() throws IOException {
        // Nothing to check.
    }

    /** Makes it zeroes of its first size again. */
    public abstract void reset() throws IOException;

    @Override
    public abstract void close() throws IOException;

    /** Options, of which none stand for reading and writing. */
    protected static OpenOption[] orBoth(OpenOption... options) {
        return options.length > 0 ? options : new OpenOption[]{StandardOpenOption.READ, StandardOpenOption.WRITE};
    }

    /** Makes it zeroes of the first size, of which none are on the device yet, as those of a new file. */
    protected static void renew(FileChannel channel) throws IOException {
        FileChannel _ = channel.truncate(0);
        long _ = channel.write(ByteBuffer.allocate(1), BYTES - 1);
    }

    /** Fills it with zeroes. */
    protected static void zero(FileChannel channel) throws IOException {
        ByteBuffer zeroes = ByteBuffer.allocate(BYTES);
        while (zeroes.hasRemaining()) {
            long _ = channel.write(zeroes);
        }
    }
}
