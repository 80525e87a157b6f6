package io.blkmq.testing.channel;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Every method of {@link FileChannel} on a disk, on a file of an engine, and on a file and a loop device of the kernel under the JDK's: where
 * the table gives one answer, all give it. And random calls, and transfers, which are compared with those of another subject.
 */
public final class FileChannelContract {
    private static final long N = ChannelSubject.BYTES;
    private static final String NO_SPACE = "IOException No space left on device";
    private static final String INVALID = "IOException Invalid argument";
    private static final String GROWS = "a file grows";
    private static final String SEEK = "lseek of a device node refuses what is past the end, FileChannel says that it is legal";
    private static final String LOST = "what the kernel's copy took and could not write is lost to the source";
    private static final String BESIDE = "mapped memory would be read and written beside the engine";
    private static final String MAPPED = "the kernel maps files and device nodes; the blocks of ours are in no memory";

    /** Channels of one subject, each opened otherwise. */
    private static final class Sample implements ChannelContract.Opened {
        final FileChannel both;
        final FileChannel reading;
        final FileChannel writing;
        final FileChannel closed;

        Sample(ChannelSubject subject) throws IOException {
            both = subject.open();
            reading = subject.open(StandardOpenOption.READ);
            writing = subject.open(StandardOpenOption.WRITE);
            closed = subject.open(StandardOpenOption.READ);
            closed.close();
        }

        @Override
        public void close() throws IOException {
            both.close();
            reading.close();
            writing.close();
        }
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes);
    }

    private static ByteBuffer[] buffers(int... bytes) {
        ByteBuffer[] buffers = new ByteBuffer[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            buffers[i] = ByteBuffer.allocate(bytes[i]);
        }
        return buffers;
    }

    private static WritableByteChannel sink() {
        return Channels.newChannel(new ByteArrayOutputStream());
    }

    private static ReadableByteChannel source(int bytes) {
        return Channels.newChannel(new ByteArrayInputStream(new byte[bytes]));
    }

    private static final ChannelContract<Sample> CONTRACT = new ChannelContract<>();

    static {
        reading();
        writing();
        positionAndSize();
        transfers();
        transfersThatEndEarly();
        mapping();
        interrupted();
        atTheLargestOffset();
        locking();
        closing();
    }

    private static ChannelContract.Row<Sample> row(String method, String what, ChannelContract.Call<Sample> call,
            String answer) {
        return CONTRACT.row(method, what, call, answer);
    }

    @SuppressWarnings("NullAway") // null is what some rows are about
    private static void reading() {
        String relative = "read(ByteBuffer)";
        row(relative, "moves the position", s -> s.both.read(buffer(100)) + " " + s.both.position(), "100 100");
        row(relative, "across the end", s -> s.both.position(N - 7).read(buffer(100)) + " " + s.both.position(),
                "7 " + N);
        row(relative, "at the end", s -> s.both.position(N).read(buffer(1)) + " " + s.both.position(), "-1 " + N);
        row(relative, "nothing at the end", s -> s.both.position(N).read(buffer(0)), "0");
        row(relative, "past the end", s -> s.both.position(N + 5).read(buffer(1)) + " " + s.both.position(),
                "-1 " + (N + 5)).node(INVALID, SEEK);
        row(relative, "into a read-only buffer", s -> s.both.read(buffer(1).asReadOnlyBuffer()),
                "IllegalArgumentException");
        row(relative, "into an empty read-only buffer", s -> s.both.read(buffer(0).asReadOnlyBuffer()),
                "IllegalArgumentException");
        row(relative, "into null", s -> s.both.read((ByteBuffer) null), "NullPointerException");
        row(relative, "write only", s -> s.writing.read(buffer(1)), "NonReadableChannelException");
        row(relative, "closed", s -> s.closed.read((ByteBuffer) null), "ClosedChannelException");

        String absolute = "read(ByteBuffer,long)";
        row(absolute, "keeps the position", s -> s.both.read(buffer(100), 3) + " " + s.both.position(), "100 0");
        row(absolute, "across the end", s -> s.both.read(buffer(100), N - 7), "7");
        row(absolute, "at the end", s -> s.both.read(buffer(1), N), "-1");
        row(absolute, "past the end", s -> s.both.read(buffer(1), N + 5), "-1");
        row(absolute, "nothing at the end", s -> s.both.read(buffer(0), N), "0");
        row(absolute, "a direct buffer from its position to its limit", s -> {
            s.both.write(ByteBuffer.wrap(new byte[]{1, 2, 3, 4}), 510);
            ByteBuffer direct = ByteBuffer.allocateDirect(8).position(2).limit(6);
            int read = s.both.read(direct, 510);
            byte[] all = new byte[8];
            direct.clear().get(all);
            return read + " " + Arrays.toString(all);
        }, "4 [0, 0, 1, 2, 3, 4, 0, 0]");
        row(absolute, "negative", s -> s.both.read(buffer(1), -1), "IllegalArgumentException");
        row(absolute, "negative, read-only buffer", s -> s.both.read(buffer(1).asReadOnlyBuffer(), -1),
                "IllegalArgumentException");
        row(absolute, "into a read-only buffer", s -> s.both.read(buffer(1).asReadOnlyBuffer(), 0),
                "IllegalArgumentException");
        row(absolute, "into null", s -> s.both.read(null, 0), "NullPointerException");
        row(absolute, "write only", s -> s.writing.read(buffer(1), 0), "NonReadableChannelException");
        row(absolute, "write only, negative", s -> s.writing.read(buffer(1), -1), "IllegalArgumentException");
        row(absolute, "closed", s -> s.closed.read(buffer(1), 0), "ClosedChannelException");
        row(absolute, "closed, negative", s -> s.closed.read(buffer(1), -1), "IllegalArgumentException");
        row(absolute, "closed, read-only buffer", s -> s.closed.read(buffer(1).asReadOnlyBuffer(), 0),
                "ClosedChannelException");

        String scatter = "read(ByteBuffer[])";
        row(scatter, "across the end", s -> {
            ByteBuffer[] targets = buffers(100, 100);
            return s.both.position(N - 150).read(targets) + " " + targets[0].position() + " " + targets[1].position()
                    + " " + s.both.position();
        }, "150 100 50 " + N);
        row(scatter, "at the end", s -> s.both.position(N).read(buffers(1, 1)), "-1");
        row(scatter, "no buffers, at the end", s -> s.both.position(N).read(buffers()), "0");
        row(scatter, "an empty buffer, at the end", s -> s.both.position(N).read(buffers(0)), "0");
        row(scatter, "a null among them", s -> s.both.read(new ByteBuffer[]{null}), "NullPointerException");
        row(scatter, "write only", s -> s.writing.read(buffers(1)), "NonReadableChannelException");
        row(scatter, "closed", s -> s.closed.read(buffers(1)), "ClosedChannelException");
        String part = "read(ByteBuffer[],int,int)";
        row(part, "only those named", s -> {
            ByteBuffer[] targets = buffers(1, 2, 3);
            return s.both.read(targets, 1, 1) + " " + targets[0].position() + " " + targets[2].position();
        }, "2 0 0");
        row(part, "a read-only buffer among them",
                s -> s.both.read(new ByteBuffer[]{buffer(1), buffer(1).asReadOnlyBuffer()}, 0, 2),
                "IllegalArgumentException");
        row(part, "out of bounds", s -> s.both.read(buffers(1), 1, 1), "IndexOutOfBoundsException");
        row(part, "closed, out of bounds", s -> s.closed.read(buffers(1), 0, 2), "IndexOutOfBoundsException");
        row(part, "null", s -> s.both.read((ByteBuffer[]) null, 0, 0), "NullPointerException");
    }

    @SuppressWarnings("NullAway") // null is what some rows are about
    private static void writing() {
        String relative = "write(ByteBuffer)";
        row(relative, "moves the position", s -> s.both.write(buffer(100)) + " " + s.both.position(), "100 100");
        row(relative, "across the end", s -> {
            ByteBuffer source = buffer(100);
            return s.both.position(N - 7).write(source) + " " + source.position() + " " + s.both.position();
        }, "7 7 " + N).file("100 100 " + (N + 93), GROWS);
        row(relative, "at the end", s -> s.both.position(N).write(buffer(1)), NO_SPACE).file("1", GROWS);
        row(relative, "nothing at the end", s -> s.both.position(N).write(buffer(0)), "0");
        row(relative, "of null", s -> s.both.write((ByteBuffer) null), "NullPointerException");
        row(relative, "read only", s -> s.reading.write(buffer(1)), "NonWritableChannelException");
        row(relative, "read only, of nothing", s -> s.reading.write(buffer(0)), "NonWritableChannelException");
        row(relative, "read only, of null", s -> s.reading.write((ByteBuffer) null), "NonWritableChannelException");
        row(relative, "closed", s -> s.closed.write(buffer(1)), "ClosedChannelException");

        String absolute = "write(ByteBuffer,long)";
        row(absolute, "keeps the position", s -> s.both.write(buffer(100), 3) + " " + s.both.position(), "100 0");
        row(absolute, "what was written is read, by others too", s -> {
            s.writing.write(ByteBuffer.wrap(new byte[]{1, 2, 3}), 511);
            ByteBuffer found = ByteBuffer.allocate(5);
            s.reading.read(found, 510);
            return Arrays.toString(found.array());
        }, "[0, 1, 2, 3, 0]");
        row(absolute, "across the end", s -> s.both.write(buffer(100), N - 7) + " " + s.both.size(), "7 " + N)
                .file("100 " + (N + 93), GROWS);
        row(absolute, "at the end", s -> s.both.write(buffer(1), N), NO_SPACE).file("1", GROWS);
        row(absolute, "past the end", s -> s.both.write(buffer(1), N + 5), NO_SPACE).file("1", GROWS);
        row(absolute, "nothing at the end", s -> s.both.write(buffer(0), N), "0");
        row(absolute, "negative", s -> s.both.write(buffer(1), -1), "IllegalArgumentException");
        row(absolute, "of null", s -> s.both.write(null, 0), "NullPointerException");
        row(absolute, "read only", s -> s.reading.write(buffer(1), 0), "NonWritableChannelException");
        row(absolute, "read only, negative", s -> s.reading.write(buffer(1), -1), "IllegalArgumentException");
        row(absolute, "read only, of null", s -> s.reading.write(null, 0), "NullPointerException");
        row(absolute, "closed", s -> s.closed.write(buffer(1), 0), "ClosedChannelException");

        String gather = "write(ByteBuffer[])";
        row(gather, "across the end", s -> {
            ByteBuffer[] sources = buffers(100, 100);
            return s.both.position(N - 150).write(sources) + " " + sources[1].position() + " " + s.both.position();
        }, "150 50 " + N).file("200 100 " + (N + 50), GROWS);
        row(gather, "no buffers, at the end", s -> s.both.position(N).write(buffers()), "0");
        row(gather, "an empty buffer, at the end", s -> s.both.position(N).write(buffers(0)), "0");
        row(gather, "a null among them", s -> s.both.write(new ByteBuffer[]{null, buffer(1)}), "NullPointerException");
        row(gather, "read only", s -> s.reading.write(buffers(1)), "NonWritableChannelException");
        row(gather, "closed", s -> s.closed.write(buffers(1)), "ClosedChannelException");
        String part = "write(ByteBuffer[],int,int)";
        row(part, "only those named", s -> s.both.write(buffers(1, 2, 3), 1, 2) + " " + s.both.position(), "5 5");
        row(part, "out of bounds", s -> s.both.write(buffers(1), -1, 1), "IndexOutOfBoundsException");
        row(part, "read only, out of bounds", s -> s.reading.write(buffers(1), 0, 2), "IndexOutOfBoundsException");
    }

    private static void positionAndSize() {
        row("position()", "at first", s -> s.both.position(), "0");
        row("position()", "write only", s -> s.writing.position(), "0");
        row("position()", "closed", s -> s.closed.position(), "ClosedChannelException");
        row("position(long)", "the channel itself", s -> s.both.position(5).equals(s.both), "true");
        row("position(long)", "past the end", s -> s.both.position(N + 5).position() + " " + s.both.size(),
                (N + 5) + " " + N).node(INVALID, SEEK);
        row("position(long)", "negative", s -> s.both.position(-1), "IllegalArgumentException");
        row("position(long)", "closed, negative", s -> s.closed.position(-1), "ClosedChannelException");
        row("size()", "all of it", s -> s.both.size(), "" + N);
        row("size()", "closed", s -> s.closed.size(), "ClosedChannelException");
        String truncate = "truncate(long)";
        row(truncate, "to less", s -> s.both.truncate(N - 512).size(), INVALID).file("" + (N - 512), "it has any size");
        row(truncate, "to its size", s -> s.both.position(N).truncate(N).position(), "" + N);
        row(truncate, "to its size, the position past it", s -> s.both.position(N + 20).truncate(N).position(), "" + N)
                .node(INVALID, SEEK);
        row(truncate, "to more", s -> s.both.position(5).truncate(N + 10).position() + " " + s.both.size(), "5 " + N);
        row(truncate, "to less, the position", s -> {
            try {
                s.both.position(N).truncate(0);
            } catch (IOException e) {
                return s.both.position();
            }
            return s.both.position();
        }, "" + N).file("0", "it has any size");
        row(truncate, "negative", s -> s.both.truncate(-1), "IllegalArgumentException");
        row(truncate, "read only", s -> s.reading.truncate(N + 1), "NonWritableChannelException");
        row(truncate, "read only, negative", s -> s.reading.truncate(-1), "IllegalArgumentException");
        row(truncate, "closed, negative", s -> s.closed.truncate(-1), "ClosedChannelException");
        row("force(boolean)", "all", s -> {
            s.both.write(buffer(10), 5);
            s.both.force(true);
            s.both.force(false);
            s.reading.force(true);
            s.writing.force(true);
            return "done";
        }, "done");
        row("force(boolean)", "closed", s -> {
            s.closed.force(true);
            return "done";
        }, "ClosedChannelException");
    }

    @SuppressWarnings("NullAway") // null is what some rows are about
    private static void transfers() {
        String to = "transferTo(long,long,WritableByteChannel)";
        row(to, "all that there is", s -> s.both.transferTo(0, N, sink()) + " " + s.both.position(), N + " 0");
        row(to, "across the end", s -> s.both.transferTo(N - 3, 10, sink()), "3");
        row(to, "at the end", s -> s.both.transferTo(N, 10, sink()), "0");
        row(to, "past the end", s -> s.both.transferTo(N + 1, 10, sink()), "0");
        row(to, "nothing", s -> s.both.transferTo(0, 0, sink()), "0");
        row(to, "itself", s -> {
            s.both.write(ByteBuffer.wrap(new byte[]{7}), 99);
            long done = s.both.position(2000).transferTo(0, 100, s.both);
            ByteBuffer found = buffer(1);
            s.both.read(found, 2099);
            return done + " " + s.both.position() + " " + found.get(0);
        }, "100 2100 7");
        row(to, "another channel at its position", s -> {
            s.both.write(ByteBuffer.wrap(new byte[]{1, 2, 3}), 700);
            long done = s.reading.transferTo(700, 3, s.writing.position(1500));
            ByteBuffer found = ByteBuffer.allocate(3);
            s.both.read(found, 1500);
            return done + " " + s.writing.position() + " " + Arrays.toString(found.array());
        }, "3 1503 [1, 2, 3]");
        row(to, "negative position", s -> s.both.transferTo(-1, 1, sink()), "IllegalArgumentException");
        row(to, "negative count", s -> s.both.transferTo(0, -1, sink()), "IllegalArgumentException");
        row(to, "null", s -> s.both.transferTo(0, 1, null), "NullPointerException");
        row(to, "one that is read only", s -> s.both.transferTo(0, 1, s.reading), "NonWritableChannelException");
        row(to, "nothing to one that is read only", s -> s.both.transferTo(0, 0, s.reading),
                "NonWritableChannelException");
        row(to, "past the end to one that is read only", s -> s.both.transferTo(N + 1, 1, s.reading),
                "NonWritableChannelException");
        row(to, "one that is closed", s -> s.both.transferTo(0, 1, s.closed), "ClosedChannelException");
        row(to, "write only", s -> s.writing.transferTo(0, 1, sink()), "NonReadableChannelException");
        row(to, "closed, null", s -> s.closed.transferTo(0, 1, null), "ClosedChannelException");
        row(to, "closed, negative", s -> s.closed.transferTo(-1, 1, sink()), "ClosedChannelException");

        String from = "transferFrom(ReadableByteChannel,long,long)";
        row(from, "all that the source has", s -> s.both.transferFrom(source(1000), 11, 5000) + " " + s.both.position(),
                "1000 0");
        row(from, "across the end", s -> s.both.transferFrom(source(100), N - 30, 100), "30").file("100", GROWS);
        row(from, "at the end", s -> s.both.transferFrom(source(1), N, 1), NO_SPACE).file("1", GROWS);
        row(from, "past the end", s -> s.both.transferFrom(source(1), N + 1, 1), NO_SPACE).file("1", GROWS);
        row(from, "an ended source at the end", s -> s.both.transferFrom(source(0), N, 1), "0");
        row(from, "an ended source past the end", s -> s.both.transferFrom(source(0), N + 1, 1), "0");
        row(from, "an ended file at the end", s -> s.both.transferFrom(s.reading.position(N), N, 1), "0");
        row(from, "itself at the end, what it took", s -> {
            try {
                return s.both.transferFrom(s.reading, N, 100);
            } catch (IOException e) {
                return ChannelContract.name(e) + " " + s.reading.position();
            }
        }, NO_SPACE + " 0").file("100", GROWS).node(NO_SPACE + " 100", LOST);
        row(from, "nothing", s -> s.both.transferFrom(source(1), 0, 0), "0");
        row(from, "nothing of a file, interrupted", s -> Ending.of(s.both, s.reading, () -> {
            Thread.currentThread().interrupt();
            return s.both.transferFrom(s.reading, 0, 0);
        }), "ClosedByInterruptException, closed, other closed, interrupted");
        row(from, "nothing of another channel, interrupted", s -> {
            Other other = new Other(0, _ -> {});
            Thread.currentThread().interrupt();
            return Ending.of(s.both, other, () -> s.both.transferFrom(other, 0, 0));
        }, "0, open, other open, interrupted");
        row(from, "itself", s -> {
            s.both.write(ByteBuffer.wrap(new byte[]{7}), 99);
            long done = s.both.position(0).transferFrom(s.both, 1000, 100);
            ByteBuffer found = buffer(1);
            s.both.read(found, 1099);
            return done + " " + s.both.position() + " " + found.get(0);
        }, "100 100 7");
        row(from, "negative position", s -> s.both.transferFrom(source(1), -1, 1), "IllegalArgumentException");
        row(from, "negative count", s -> s.both.transferFrom(source(1), 0, -1), "IllegalArgumentException");
        row(from, "null", s -> s.both.transferFrom(null, 0, 0), "NullPointerException");
        row(from, "one that is write only", s -> s.both.transferFrom(s.writing, 0, 1), "NonReadableChannelException");
        row(from, "one that is closed", s -> s.both.transferFrom(s.closed, 0, 1), "ClosedChannelException");
        row(from, "read only", s -> s.reading.transferFrom(source(1), 0, 1), "NonWritableChannelException");
        row(from, "closed, negative", s -> s.closed.transferFrom(source(1), -1, 1), "ClosedChannelException");
    }

    /** How a transfer between two channels ended, and which of them is closed now. */
    private static final class Ending {
        /** A transfer. */
        @FunctionalInterface
        interface Transfer {
            long run() throws IOException;
        }

        static String of(Channel mine, Channel other, Transfer transfer) {
            String answer;
            try {
                long bytes = transfer.run();
                answer = bytes > 0 ? "some" : String.valueOf(bytes);
            } catch (IOException e) {
                answer = ChannelContract.name(e);
            }
            return answer + ", " + state(mine) + ", other " + state(other)
                    + (Thread.interrupted() ? ", interrupted" : "");
        }

        private static String state(Channel channel) {
            return channel.isOpen() ? "open" : "closed";
        }
    }

    /** Another channel, to which something happens in the middle of a transfer. It takes, or gives, all that it is asked for. */
    private static final class Other implements WritableByteChannel, ReadableByteChannel {
        private final int callsBefore;
        private final Event event;
        private boolean open = true;
        private int calls;

        /** What happens. */
        @FunctionalInterface
        interface Event {
            void happen(Other other) throws IOException;
        }

        Other(int callsBefore, Event event) {
            this.callsBefore = callsBefore;
            this.event = event;
        }

        private int move(ByteBuffer buffer) throws IOException {
            if (!open) {
                throw new ClosedChannelException();
            }
            if (calls++ == callsBefore) {
                event.happen(this);
            }
            int bytes = buffer.remaining();
            buffer.position(buffer.limit());
            return bytes;
        }

        @Override
        public int read(ByteBuffer dst) throws IOException {
            return move(dst);
        }

        @Override
        public int write(ByteBuffer src) throws IOException {
            return move(src);
        }

        @Override
        public boolean isOpen() {
            return open;
        }

        @Override
        public void close() {
            open = false;
        }

        static void interrupt(Other other) {
            Thread.currentThread().interrupt();
        }

        static void closedByInterrupt(Other other) throws IOException {
            other.close();
            Thread.currentThread().interrupt();
            throw new ClosedByInterruptException();
        }

        static void closedByAnother(Other other) throws IOException {
            other.close();
            throw new AsynchronousCloseException();
        }
    }

    /** A row for a transfer to another channel and one from it. */
    private static void bothWays(String what, int callsBefore, Other.Event event, String answerTo, String answerFrom) {
        row("transferTo(long,long,WritableByteChannel)", what, s -> {
            Other other = new Other(callsBefore, event);
            return Ending.of(s.both, other, () -> s.both.transferTo(0, N, other));
        }, answerTo);
        row("transferFrom(ReadableByteChannel,long,long)", what, s -> {
            Other other = new Other(callsBefore, event);
            return Ending.of(s.both, other, () -> s.both.transferFrom(other, 0, N));
        }, answerFrom);
    }

    private static void transfersThatEndEarly() {
        String some = "some, open, other open";
        String someOfClosed = "some, open, other closed";
        String interrupted = "ClosedByInterruptException, closed, other closed, interrupted";
        Other.Event brokenPipe = _ -> {
            throw new IOException("Broken pipe");
        };
        bothWays("the other fails", 0, brokenPipe, "IOException Broken pipe, open, other open",
                "IOException Broken pipe, open, other open");
        bothWays("the other fails after some", 1, brokenPipe, some, some);
        bothWays("the other is closed after some", 1, Other::close, someOfClosed, someOfClosed);
        bothWays("the other is closed by another thread", 0, Other::closedByAnother,
                "AsynchronousCloseException, open, other closed", "AsynchronousCloseException, open, other closed");
        bothWays("the other is closed by another thread after some", 1, Other::closedByAnother, someOfClosed,
                someOfClosed);
        bothWays("the other is closed by an interrupt", 0, Other::closedByInterrupt, interrupted, interrupted);
        bothWays("the other is closed by an interrupt after some", 1, Other::closedByInterrupt,
                someOfClosed + ", interrupted", someOfClosed + ", interrupted");
        bothWays("an interrupt between", 0, Other::interrupt, "some, closed, other open, interrupted", interrupted);
        bothWays("an interrupt between, after some", 1, Other::interrupt, "some, closed, other open, interrupted",
                "some, closed, other open, interrupted");

        String to = "transferTo(long,long,WritableByteChannel)";
        String from = "transferFrom(ReadableByteChannel,long,long)";
        row(to, "closed after some", s -> {
            Other other = new Other(1, _ -> s.both.close());
            return Ending.of(s.both, other, () -> s.both.transferTo(0, N, other));
        }, "some, closed, other open");
        row(from, "closed before anything was written", s -> {
            Other other = new Other(0, _ -> s.both.close());
            return Ending.of(s.both, other, () -> s.both.transferFrom(other, 0, N));
        }, "AsynchronousCloseException, closed, other open");
        row(from, "closed after some", s -> {
            Other other = new Other(1, _ -> s.both.close());
            return Ending.of(s.both, other, () -> s.both.transferFrom(other, 0, N));
        }, "some, closed, other open");
        for (long at : new long[]{0, N}) {
            row(to, "interrupted, at " + at, s -> {
                Other other = new Other(0, _ -> {});
                Thread.currentThread().interrupt();
                return Ending.of(s.both, other, () -> s.both.transferTo(at, 0, other));
            }, interrupted);
        }
        row(to, "another channel, interrupted", s -> {
            Thread.currentThread().interrupt();
            return Ending.of(s.both, s.writing, () -> s.both.transferTo(0, N, s.writing));
        }, interrupted);
        row(from, "another channel, interrupted", s -> {
            Thread.currentThread().interrupt();
            return Ending.of(s.both, s.reading, () -> s.both.transferFrom(s.reading, 0, N));
        }, interrupted);
        row(to, "a pipe that nobody empties, interrupted after some", s -> {
            Pipe pipe = Pipe.open();
            Thread transferring = Thread.currentThread();
            try (Pipe.SourceChannel source = pipe.source()) {
                Eventually.Worker<Boolean> interrupter = Eventually.call(() -> {
                    source.read(buffer(1));
                    transferring.interrupt();
                    return true;
                });
                String ending = Ending.of(s.both, pipe.sink(), () -> s.both.transferTo(0, N, pipe.sink()));
                interrupter.join();
                return ending;
            }
        }, interrupted);
        row(from, "a pipe that nobody fills, interrupted", s -> {
            Pipe pipe = Pipe.open();
            Thread transferring = Thread.currentThread();
            try (Pipe.SinkChannel sink = pipe.sink()) {
                Eventually.Worker<Boolean> interrupter = Eventually.call(() -> {
                    transferring.interrupt();
                    return sink.isOpen();
                });
                String ending = Ending.of(s.both, pipe.source(), () -> s.both.transferFrom(pipe.source(), 0, N));
                interrupter.join();
                return ending;
            }
        }, interrupted);
    }

    private static void interrupted() {
        Map<String, ChannelContract.Call<FileChannel>> calls = new LinkedHashMap<>();
        calls.put("read(ByteBuffer)", c -> c.read(buffer(1)));
        calls.put("read(ByteBuffer,long)", c -> c.read(buffer(0), 0));
        calls.put("read(ByteBuffer[])", c -> c.read(buffers(1)));
        calls.put("write(ByteBuffer)", c -> c.write(buffer(1)));
        calls.put("write(ByteBuffer,long)", c -> c.write(buffer(0), 0));
        calls.put("write(ByteBuffer[])", c -> c.write(buffers(1)));
        calls.put("position()", FileChannel::position);
        calls.put("position(long)", c -> c.position(5));
        calls.put("size()", FileChannel::size);
        calls.put("truncate(long)", c -> c.truncate(N));
        calls.put("force(boolean)", c -> {
            c.force(true);
            return "done";
        });
        calls.forEach((method, call) -> row(method, "interrupted", s -> whenInterrupted(s, call),
                "ClosedByInterruptException, closed, interrupted"));
        row("lock()", "interrupted", s -> whenInterrupted(s, FileChannel::lock) + ", " + s.writing.lock().isValid(),
                "FileLockInterruptionException, closed, interrupted, true");
        row("lock(long,long,boolean)", "interrupted, negative", s -> whenInterrupted(s, c -> c.lock(-1, 1, true)),
                "IllegalArgumentException, open, interrupted");
        row("lock(long,long,boolean)", "interrupted, overlapping", s -> {
            try (FileLock first = s.reading.lock(0, 1, true)) {
                return whenInterrupted(s, FileChannel::lock) + " beside " + first.isShared();
            }
        }, "OverlappingFileLockException, open, interrupted beside true");
        row("tryLock()", "interrupted", s -> whenInterrupted(s, c -> c.tryLock().isValid()), "true, open, interrupted");
    }

    private static String whenInterrupted(Sample s, ChannelContract.Call<FileChannel> call) {
        String answer;
        Thread.currentThread().interrupt();
        try {
            answer = String.valueOf(call.of(s.both));
        } catch (Throwable t) {
            answer = ChannelContract.name(t);
        }
        return answer + (s.both.isOpen() ? ", open" : ", closed") + (Thread.interrupted() ? ", interrupted" : "");
    }

    private static void atTheLargestOffset() {
        long last = Long.MAX_VALUE;
        row("read(ByteBuffer,long)", "past the largest offset", s -> s.both.read(buffer(100), last - 99), INVALID);
        row("read(ByteBuffer,long)", "up to the largest offset", s -> s.both.read(buffer(100), last - 100), "-1");
        row("read(ByteBuffer,long)", "nothing there", s -> s.both.read(buffer(0), last), "0");
        row("read(ByteBuffer)", "past the largest offset", s -> s.both.position(last).read(buffer(1)), INVALID);
        row("write(ByteBuffer,long)", "past the largest offset", s -> s.both.write(buffer(100), last - 99), INVALID);
        row("write(ByteBuffer,long)", "nothing there", s -> s.both.write(buffer(0), last), "0");
        row("write(ByteBuffer[])", "past the largest offset", s -> s.both.position(last).write(buffers(1)), INVALID);
        row("transferTo(long,long,WritableByteChannel)", "past the largest offset",
                s -> s.both.transferTo(last, 100, sink()), "0");
        row("transferFrom(ReadableByteChannel,long,long)", "past the largest offset",
                s -> s.both.transferFrom(source(100), last, 100), INVALID);
    }

    @SuppressWarnings("NullAway") // null is what some rows are about
    private static void mapping() {
        String map = "map(MapMode,long,long)";
        String inArena = "map(MapMode,long,long,Arena)";
        for (MapMode mode : List.of(MapMode.READ_ONLY, MapMode.READ_WRITE, MapMode.PRIVATE)) {
            row(map, mode.toString(), s -> s.both.map(mode, 0, 4096).capacity(), "UnsupportedOperationException")
                    .file("4096", MAPPED).node("4096", MAPPED).engine("UnsupportedOperationException", BESIDE);
            row(map, mode + ", write only", s -> s.writing.map(mode, 0, 4096), "NonReadableChannelException");
            row(inArena, mode.toString(), s -> {
                try (Arena arena = Arena.ofConfined()) {
                    return s.both.map(mode, 0, 4096, arena).byteSize();
                }
            }, "UnsupportedOperationException").file("4096", MAPPED).node("4096", MAPPED)
                    .engine("UnsupportedOperationException", BESIDE);
        }
        row(map, "READ_WRITE, read only", s -> s.reading.map(MapMode.READ_WRITE, 0, 1), "NonWritableChannelException");
        row(map, "PRIVATE, read only", s -> s.reading.map(MapMode.PRIVATE, 0, 1), "NonWritableChannelException");
        row(map, "null", s -> s.both.map(null, 0, 1), "NullPointerException");
        row(map, "closed, null", s -> s.closed.map(null, 0, 1), "NullPointerException");
        row(map, "negative position", s -> s.both.map(MapMode.READ_ONLY, -1, 1), "IllegalArgumentException");
        row(map, "negative size", s -> s.both.map(MapMode.READ_ONLY, 0, -1), "IllegalArgumentException");
        row(map, "overflow", s -> s.both.map(MapMode.READ_ONLY, Long.MAX_VALUE, 10), "IllegalArgumentException");
        row(map, "above 2 GiB", s -> s.both.map(MapMode.READ_ONLY, 0, 1L << 31), "IllegalArgumentException");
        row(map, "closed", s -> s.closed.map(MapMode.READ_ONLY, 0, 1), "ClosedChannelException");
        row(inArena, "null", s -> s.both.map(MapMode.READ_ONLY, 0, 1, null), "NullPointerException");
        row(inArena, "closed", s -> s.closed.map(MapMode.READ_ONLY, 0, 1, Arena.global()), "ClosedChannelException");
    }

    private static void locking() {
        for (String method : List.of("lock(long,long,boolean)", "tryLock(long,long,boolean)")) {
            Locker locker = method.startsWith("lock") ? FileChannel::lock : FileChannel::tryLock;
            row(method, "a range", s -> locker.of(s.both, 10, 20, false), "10+20 exclusive");
            row(method, "a range past the end", s -> locker.of(s.both, N + 10, 20, true), (N + 10) + "+20 shared");
            row(method, "0 stands for all that follows", s -> locker.of(s.both, 10, 0, false),
                    "10+" + (Long.MAX_VALUE - 10) + " exclusive");
            row(method, "overlapping, of another channel", s -> {
                try (FileLock first = s.both.lock(10, 10, true)) {
                    return locker.of(s.reading, 19, 1, true) + " beside " + first;
                }
            }, "OverlappingFileLockException");
            row(method, "overlapping, of the same channel", s -> {
                try (FileLock first = s.both.lock(10, 10, true)) {
                    return locker.of(s.both, 0, 11, false) + " beside " + first;
                }
            }, "OverlappingFileLockException");
            row(method, "beside another", s -> {
                try (FileLock first = s.both.lock(10, 10, false); FileLock next = locker.of(s.reading, 20, 1, true)) {
                    return first.overlaps(15, 1) + " " + next.isValid();
                }
            }, "true true");
            row(method, "again after its release", s -> {
                FileLock first = locker.of(s.both, 0, 1, false);
                first.release();
                first.release();
                first.close();
                return first.isValid() + " " + locker.of(s.both, 0, 1, false).isValid();
            }, "false true");
            row(method, "released with its channel", s -> {
                FileLock first = locker.of(s.both, 0, 1, false);
                s.both.close();
                return first.isValid() + " " + locker.of(s.writing, 0, 1, false).isValid();
            }, "false true");
            row(method, "release after its channel", s -> {
                FileLock first = locker.of(s.both, 0, 1, false);
                s.both.close();
                first.release();
                return "released";
            }, "ClosedChannelException");
            row(method, "shared, write only", s -> locker.of(s.writing, 0, 1, true), "NonReadableChannelException");
            row(method, "exclusive, read only", s -> locker.of(s.reading, 0, 1, false), "NonWritableChannelException");
            row(method, "negative position", s -> locker.of(s.both, -1, 1, false), "IllegalArgumentException");
            row(method, "negative size", s -> locker.of(s.both, 0, -1, false), "IllegalArgumentException");
            row(method, "overflow", s -> locker.of(s.both, Long.MAX_VALUE, 1, false), "IllegalArgumentException");
            row(method, "closed", s -> locker.of(s.closed, 0, 1, true), "ClosedChannelException");
            row(method, "closed, negative", s -> locker.of(s.closed, -1, 1, true), "ClosedChannelException");
        }
        row("lock()", "all of it", s -> s.both.lock(), "0+" + Long.MAX_VALUE + " exclusive");
        row("lock()", "read only", s -> s.reading.lock(), "NonWritableChannelException");
        row("tryLock()", "all of it", s -> s.writing.tryLock(), "0+" + Long.MAX_VALUE + " exclusive");
        row("tryLock()", "read only", s -> s.reading.tryLock(), "NonWritableChannelException");
    }

    /** One of the two ways to lock. */
    @FunctionalInterface
    private interface Locker {
        FileLock of(FileChannel channel, long position, long size, boolean shared) throws IOException;
    }

    private static void closing() {
        row("close()", "again", s -> {
            s.both.close();
            s.both.close();
            return s.both.isOpen() + " " + s.reading.isOpen();
        }, "false true");
        row("isOpen()", "open and closed", s -> s.both.isOpen() + " " + s.closed.isOpen(), "true false");
    }

    private FileChannelContract() {}

    /** Tries each row. Closes the subject. */
    public static void check(ChannelSubject subject) throws IOException {
        ChannelContract.check(CONTRACT, subject, Sample::new);
    }

    /** Fails if a method has no row. */
    public static void coversAllOfTheClass() {
        CONTRACT.coversAllOf(FileChannel.class);
    }

    // ---- random sequences

    /** Random calls, each with its answer. The same seed makes the same calls. */
    private static List<String> randomCalls(FileChannel channel, long seed, boolean mayReachTheEnd) throws IOException {
        Random random = new Random(seed);
        List<String> answers = new ArrayList<>();
        for (int step = 0; step < 400; step++) {
            int length = random.nextInt(random.nextInt(8) == 0 ? 300_000 : 3_000);
            long limit = mayReachTheEnd ? N : N - 2L * length;
            long at = random.nextInt(10) == 0
                    ? Math.max(0, limit - random.nextInt(5_000))
                    : random.nextLong(Math.max(1, limit));
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            int first = length == 0 ? 0 : random.nextInt(length);
            int choice = random.nextInt(8);
            answers.add(step + ", " + choice + " of " + length + " at " + at + ": "
                    + randomCall(channel, choice, at, bytes, first));
        }
        ByteBuffer all = ByteBuffer.allocate(ChannelSubject.BYTES);
        while (all.hasRemaining() && channel.read(all, all.position()) > 0) {
            // on to the end
        }
        answers.add("content " + Arrays.hashCode(all.array()));
        return answers;
    }

    private static String randomCall(FileChannel channel, int choice, long at, byte[] bytes, int first) {
        ByteBuffer whole = ByteBuffer.wrap(bytes);
        ByteBuffer[] parts = {ByteBuffer.wrap(bytes, 0, first), ByteBuffer.wrap(bytes, first, bytes.length - first)};
        try {
            long done = switch (choice) {
                case 0 -> channel.read(whole, at);
                case 1 -> channel.write(whole, at);
                case 2 -> channel.position(at).read(whole);
                case 3 -> channel.position(at).write(whole);
                case 4 -> channel.position(at).read(parts);
                case 5 -> channel.position(at).write(parts);
                case 6 -> channel.transferTo(at, bytes.length, Channels.newChannel(new FixedStream(bytes)));
                default -> channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(bytes)), at, bytes.length);
            };
            return done + ", position " + channel.position() + ", " + whole.position() + " " + parts[0].position() + " "
                    + parts[1].position() + ", " + Arrays.hashCode(bytes);
        } catch (IOException e) {
            return ChannelContract.name(e);
        }
    }

    /** Fills an array. */
    private static final class FixedStream extends OutputStream {
        private final ByteBuffer target;

        FixedStream(byte[] target) {
            this.target = ByteBuffer.wrap(target);
        }

        @Override
        public void write(int b) {
            target.put((byte) b);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            target.put(bytes, offset, length);
        }
    }

    /**
     * The same random calls of two subjects have the same answers. Closes both.
     *
     * @param seed chooses the calls
     * @param mayReachTheEnd whether calls reach the end of 1 MiB, and go over it
     */
    public static void answersAlike(ChannelSubject oracle, ChannelSubject subject, long seed, boolean mayReachTheEnd)
            throws IOException {
        List<List<String>> answers = new ArrayList<>();
        for (ChannelSubject each : List.of(oracle, subject)) {
            try (each; FileChannel channel = each.open()) {
                answers.add(randomCalls(channel, seed, mayReachTheEnd));
            }
        }
        assertThat(answers.getLast()).as("seed %d", seed).isEqualTo(answers.getFirst());
    }

    // ---- transfers between the JDK's channels and ours

    /** Bytes go to and from a real file through either channel. Closes the subject. */
    public static void checkTransfers(ChannelSubject subject) throws IOException {
        byte[] pattern = new byte[300_000];
        new Random(1).nextBytes(pattern);
        try (subject;
                ChannelSubject file = JdkSubject.file();
                FileChannel one = subject.open();
                FileChannel other = file.open()) {
            one.write(ByteBuffer.wrap(pattern), 1001);
            assertThat(one.transferTo(1001, pattern.length, other.position(7))).isEqualTo(pattern.length);
            assertThat(other.position()).isEqualTo(7 + pattern.length);
            assertThat(other.transferTo(7, pattern.length, one.position(400_003))).isEqualTo(pattern.length);
            assertThat(one.transferFrom(other.position(7), 703_000, pattern.length)).isEqualTo(pattern.length);
            for (int from : new int[]{1001, 400_003, 703_000}) {
                ByteBuffer found = ByteBuffer.allocate(pattern.length);
                one.read(found, from);
                assertThat(found.array()).as("at %d of %s", from, subject).isEqualTo(pattern);
            }
        }
    }
}
