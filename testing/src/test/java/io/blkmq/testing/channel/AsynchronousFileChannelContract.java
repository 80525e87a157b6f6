package io.blkmq.testing.channel;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileLock;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Every method of {@link AsynchronousFileChannel} on a disk, on a file of an engine, and on a file and a loop device of the kernel under the
 * JDK's: where the table gives one answer, all give it. And random calls, which are compared with those of another subject.
 */
public final class AsynchronousFileChannelContract {
    private static final long N = ChannelSubject.BYTES;
    private static final String NO_SPACE = "ended with IOException No space left on device";
    private static final String INVALID = "IOException Invalid argument";
    private static final String GROWS = "a file grows";
    private static final String LATE = "the JDK takes it for a close during the call: a kind of ClosedChannelException too";

    /** Channels of one subject, each opened otherwise. */
    private static final class Sample implements ChannelContract.Opened {
        private final ChannelSubject subject;
        final AsynchronousFileChannel both;
        final AsynchronousFileChannel reading;
        final AsynchronousFileChannel writing;
        final AsynchronousFileChannel closed;

        Sample(ChannelSubject subject) throws IOException {
            this.subject = subject;
            both = subject.openAsync();
            reading = subject.openAsync(StandardOpenOption.READ);
            writing = subject.openAsync(StandardOpenOption.WRITE);
            closed = subject.openAsync(StandardOpenOption.READ);
            closed.close();
        }

        /** What a handler is told, and what with. */
        <V> Object told(Told<V> handler) throws Exception {
            Eventually.until("the handler is told", () -> {
                subject.poll();
                return handler.isTold();
            });
            assertThat(handler.attachment).isEqualTo("attached");
            return handler.result();
        }

        @Override
        public void close() throws IOException {
            both.close();
            reading.close();
            writing.close();
        }
    }

    /** A handler that remembers. */
    private static final class Told<V> implements CompletionHandler<V, String> {
        private @Nullable V value;
        private @Nullable Throwable cause;
        private @Nullable String attachment;
        /** Written last, read first. */
        private volatile int times;

        @Override
        public void completed(V result, String attached) {
            value = result;
            attachment = attached;
            tell();
        }

        @Override
        public void failed(Throwable failure, String attached) {
            cause = failure;
            attachment = attached;
            tell();
        }

        private synchronized void tell() {
            times = times + 1;
        }

        boolean isTold() {
            return times > 0;
        }

        Object result() throws ExecutionException {
            assertThat(times).isOne();
            if (cause != null) {
                throw new ExecutionException(cause);
            }
            return Objects.requireNonNull(value);
        }
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes);
    }

    private static ChannelContract.Row<Sample> row(String method, String what, ChannelContract.Call<Sample> call,
            String answer) {
        return CONTRACT.row(method, what, call, answer);
    }

    /** Reads and writes in one of the two forms. */
    private interface Form {
        Object read(Sample sample, AsynchronousFileChannel channel, ByteBuffer dst, long position) throws Exception;

        Object write(Sample sample, AsynchronousFileChannel channel, ByteBuffer src, long position) throws Exception;
    }

    private static final Form FUTURE = new Form() {
        @Override
        public Object read(Sample sample, AsynchronousFileChannel channel, ByteBuffer dst, long position)
                throws Exception {
            return channel.read(dst, position).get(120, TimeUnit.SECONDS);
        }

        @Override
        public Object write(Sample sample, AsynchronousFileChannel channel, ByteBuffer src, long position)
                throws Exception {
            return channel.write(src, position).get();
        }
    };

    private static final Form HANDLER = new Form() {
        @Override
        public Object read(Sample sample, AsynchronousFileChannel channel, ByteBuffer dst, long position)
                throws Exception {
            Told<Integer> told = new Told<>();
            channel.read(dst, position, "attached", told);
            return sample.told(told);
        }

        @Override
        public Object write(Sample sample, AsynchronousFileChannel channel, ByteBuffer src, long position)
                throws Exception {
            Told<Integer> told = new Told<>();
            channel.write(src, position, "attached", told);
            return sample.told(told);
        }
    };

    private static final ChannelContract<Sample> CONTRACT = new ChannelContract<>();

    static {
        readingAndWriting();
        sizeAndForce();
        locking();
        closing();
    }

    @SuppressWarnings("NullAway") // null is what some rows are about
    private static void readingAndWriting() {
        for (Form form : List.of(FUTURE, HANDLER)) {
            boolean future = form.equals(FUTURE);
            String read = future ? "read(ByteBuffer,long)" : "read(ByteBuffer,long,Object,CompletionHandler)";
            row(read, "some bytes", s -> form.read(s, s.both, buffer(100), 3), "100");
            row(read, "from the position to the limit", s -> {
                form.write(s, s.both, ByteBuffer.wrap(new byte[]{1, 2, 3, 4}), 510);
                ByteBuffer direct = ByteBuffer.allocateDirect(8).position(2).limit(6);
                Object done = form.read(s, s.reading, direct, 510);
                int position = direct.position();
                byte[] all = new byte[8];
                direct.clear().get(all);
                return done + " " + position + " " + Arrays.toString(all);
            }, "4 6 [0, 0, 1, 2, 3, 4, 0, 0]");
            row(read, "across the end", s -> {
                ByteBuffer target = buffer(100);
                return form.read(s, s.both, target, N - 7) + " " + target.position();
            }, "7 7");
            row(read, "at the end", s -> form.read(s, s.both, buffer(1), N), "-1");
            row(read, "past the end", s -> form.read(s, s.both, buffer(1), N + 5), "-1");
            row(read, "nothing at the end", s -> form.read(s, s.both, buffer(0), N), "0");
            row(read, "all", s -> form.read(s, s.both, buffer((int) N), 0), "" + N);
            row(read, "negative", s -> form.read(s, s.both, buffer(1), -1), "IllegalArgumentException");
            row(read, "into a read-only buffer", s -> form.read(s, s.both, buffer(1).asReadOnlyBuffer(), 0),
                    "IllegalArgumentException");
            row(read, "into null", s -> form.read(s, s.both, null, 0), "NullPointerException");
            row(read, "write only", s -> form.read(s, s.writing, buffer(1), 0), "NonReadableChannelException");
            row(read, "closed", s -> form.read(s, s.closed, buffer(1), 0), "ended with ClosedChannelException");
            row(read, "closed, negative", s -> form.read(s, s.closed, buffer(1), -1), "IllegalArgumentException");
            row(read, "closed, read-only buffer", s -> form.read(s, s.closed, buffer(1).asReadOnlyBuffer(), 0),
                    "IllegalArgumentException");

            String write = future ? "write(ByteBuffer,long)" : "write(ByteBuffer,long,Object,CompletionHandler)";
            row(write, "some bytes", s -> {
                ByteBuffer source = buffer(100).position(30).asReadOnlyBuffer();
                return form.write(s, s.both, source, 3) + " " + source.position();
            }, "70 100");
            row(write, "across the end", s -> {
                ByteBuffer source = buffer(100);
                return form.write(s, s.both, source, N - 7) + " " + source.position() + " " + s.both.size();
            }, "7 7 " + N).file("100 100 " + (N + 93), GROWS);
            row(write, "at the end", s -> form.write(s, s.both, buffer(1), N), NO_SPACE).file("1", GROWS);
            row(write, "past the end", s -> form.write(s, s.both, buffer(1), N + 5), NO_SPACE).file("1", GROWS);
            row(write, "nothing at the end", s -> form.write(s, s.both, buffer(0), N), "0");
            row(write, "negative", s -> form.write(s, s.both, buffer(1), -1), "IllegalArgumentException");
            row(write, "of null", s -> form.write(s, s.both, null, 0), "NullPointerException");
            row(write, "read only", s -> form.write(s, s.reading, buffer(1), 0), "NonWritableChannelException");
            row(write, "read only, nothing", s -> form.write(s, s.reading, buffer(0), 0),
                    "NonWritableChannelException");
            row(write, "read only, negative", s -> form.write(s, s.reading, buffer(1), -1), "IllegalArgumentException");
            row(write, "closed and read only", s -> form.write(s, s.closed, buffer(1), 0),
                    "NonWritableChannelException");
            row(write, "closed", s -> {
                s.writing.close();
                return form.write(s, s.writing, buffer(1), 0);
            }, "ended with ClosedChannelException");
        }
        row("read(ByteBuffer,long,Object,CompletionHandler)", "no handler", s -> {
            s.both.read(buffer(1), -1, "attached", null);
            return "accepted";
        }, "NullPointerException");
        row("write(ByteBuffer,long,Object,CompletionHandler)", "no handler", s -> {
            s.both.write(buffer(1), -1, "attached", null);
            return "accepted";
        }, "NullPointerException");
        row("read(ByteBuffer,long)", "cancelled when it has ended", s -> {
            Future<Integer> read = s.both.read(buffer(1), 0);
            read.get();
            return read.cancel(true) + " " + read.isCancelled() + " " + read.isDone() + " " + s.both.isOpen();
        }, "false false true true");
    }

    private static void sizeAndForce() {
        row("size()", "all of it", s -> s.both.size(), "" + N);
        row("size()", "closed", s -> s.closed.size(), "ClosedChannelException");
        String truncate = "truncate(long)";
        row(truncate, "to less", s -> s.both.truncate(N - 512).size(), INVALID).file("" + (N - 512), "it has any size");
        row(truncate, "to its size", s -> s.both.truncate(N).size(), "" + N);
        row(truncate, "to more", s -> s.both.truncate(N + 10).size(), "" + N);
        row(truncate, "negative", s -> s.both.truncate(-1), "IllegalArgumentException");
        row(truncate, "read only", s -> s.reading.truncate(N + 10), "NonWritableChannelException");
        row(truncate, "read only, negative", s -> s.reading.truncate(-1), "IllegalArgumentException");
        row(truncate, "closed and read only", s -> s.closed.truncate(0), "NonWritableChannelException");
        row(truncate, "closed", s -> {
            s.both.close();
            return s.both.truncate(N);
        }, "ClosedChannelException").file("AsynchronousCloseException", LATE).node("AsynchronousCloseException", LATE)
                .engine("ClosedChannelException", "it was closed before the call");
        row("force(boolean)", "all", s -> {
            s.both.write(buffer(10), 5).get();
            s.both.force(true);
            s.both.force(false);
            s.reading.force(true);
            return "done";
        }, "done");
        row("force(boolean)", "closed", s -> {
            s.closed.force(true);
            return "done";
        }, "ClosedChannelException");
    }

    /** One of the ways to lock. */
    @FunctionalInterface
    private interface Locker {
        FileLock of(Sample sample, AsynchronousFileChannel channel, long position, long size, boolean shared)
                throws Exception;
    }

    private static FileLock lockAndBeTold(Sample sample, AsynchronousFileChannel channel, long position, long size,
            boolean shared) throws Exception {
        Told<FileLock> told = new Told<>();
        channel.lock(position, size, shared, "attached", told);
        return (FileLock) sample.told(told);
    }

    private static void lockingBy(String method, Locker locker, String closedAnswer) {
        row(method, "a range", s -> locker.of(s, s.both, 10, 20, false), "10+20 exclusive");
        row(method, "a range past the end", s -> locker.of(s, s.both, N + 10, 20, true), (N + 10) + "+20 shared");
        row(method, "0 stands for all that follows", s -> locker.of(s, s.both, 10, 0, false),
                "10+" + (Long.MAX_VALUE - 10) + " exclusive");
        row(method, "whose", s -> locker.of(s, s.both, 0, 1, false).acquiredBy().equals(s.both), "true");
        row(method, "overlapping, of another channel", s -> {
            try (FileLock first = s.both.tryLock(10, 10, true)) {
                return locker.of(s, s.reading, 19, 1, true) + " beside " + first;
            }
        }, "OverlappingFileLockException");
        row(method, "again after its release", s -> {
            FileLock first = locker.of(s, s.both, 0, 1, false);
            first.release();
            first.release();
            return first.isValid() + " " + locker.of(s, s.both, 0, 1, false).isValid();
        }, "false true");
        row(method, "released with its channel", s -> {
            FileLock first = locker.of(s, s.both, 0, 1, false);
            s.both.close();
            return first.isValid() + " " + locker.of(s, s.writing, 0, 1, false).isValid();
        }, "false true");
        row(method, "release after its channel", s -> {
            FileLock first = locker.of(s, s.both, 0, 1, false);
            s.both.close();
            first.release();
            return "released";
        }, "ClosedChannelException");
        row(method, "shared, write only", s -> locker.of(s, s.writing, 0, 1, true), "NonReadableChannelException");
        row(method, "exclusive, read only", s -> locker.of(s, s.reading, 0, 1, false), "NonWritableChannelException");
        row(method, "negative position", s -> locker.of(s, s.both, -1, 1, false), "IllegalArgumentException");
        row(method, "negative size", s -> locker.of(s, s.both, 0, -1, false), "IllegalArgumentException");
        row(method, "closed", s -> locker.of(s, s.closed, 0, 1, true), closedAnswer);
        row(method, "closed and read only", s -> locker.of(s, s.closed, 0, 1, false), "NonWritableChannelException");
    }

    private static void locking() {
        lockingBy("lock(long,long,boolean)",
                (_, channel, position, size, shared) -> channel.lock(position, size, shared).get(),
                "ended with ClosedChannelException");
        lockingBy("lock(long,long,boolean,Object,CompletionHandler)", AsynchronousFileChannelContract::lockAndBeTold,
                "ended with ClosedChannelException");
        lockingBy("tryLock(long,long,boolean)",
                (_, channel, position, size, shared) -> Objects.requireNonNull(channel.tryLock(position, size, shared)),
                "ClosedChannelException");
        row("lock()", "all of it", s -> s.both.lock().get(), "0+" + Long.MAX_VALUE + " exclusive");
        row("lock(Object,CompletionHandler)", "all of it", s -> {
            Told<FileLock> told = new Told<>();
            s.both.lock("attached", told);
            return s.told(told);
        }, "0+" + Long.MAX_VALUE + " exclusive");
        row("tryLock()", "all of it", s -> s.writing.tryLock(), "0+" + Long.MAX_VALUE + " exclusive");
        row("tryLock()", "read only", s -> s.reading.tryLock(), "NonWritableChannelException");
    }

    private static void closing() {
        row("close()", "again", s -> {
            s.both.close();
            s.both.close();
            return s.both.isOpen() + " " + s.reading.isOpen();
        }, "false true");
        row("isOpen()", "open and closed", s -> s.both.isOpen() + " " + s.closed.isOpen(), "true false");
    }

    private AsynchronousFileChannelContract() {}

    /** Tries each row. Closes the subject. */
    public static void check(ChannelSubject subject) throws IOException {
        ChannelContract.check(CONTRACT, subject, Sample::new);
    }

    /** Fails if a method has no row. */
    public static void coversAllOfTheClass() {
        CONTRACT.coversAllOf(AsynchronousFileChannel.class);
    }

    /** A random call in flight. */
    private record Flight(Future<Integer> future, ByteBuffer buffer, String what) {
        String answer() throws Exception {
            String result;
            try {
                result = String.valueOf(future.get());
            } catch (ExecutionException e) {
                result = ChannelContract.name(Objects.requireNonNull(e.getCause()));
            }
            byte[] all = new byte[buffer.capacity()];
            int position = buffer.position();
            buffer.clear().get(all);
            return what + ": " + result + ", position " + position + ", " + Arrays.hashCode(all);
        }
    }

    /** Random calls, several in flight at once on ranges that do not meet but share blocks. */
    private static List<String> randomCalls(AsynchronousFileChannel channel, long seed, boolean mayReachTheEnd)
            throws Exception {
        Random random = new Random(seed);
        List<String> answers = new ArrayList<>();
        for (int round = 0; round < 100; round++) {
            List<Flight> flights = new ArrayList<>();
            int count = 1 + random.nextInt(8);
            long at = random.nextLong(N / 2);
            for (int i = 0; i < count; i++) {
                int length = random.nextInt(random.nextInt(8) == 0 ? 100_000 : 1_500);
                boolean last = mayReachTheEnd && i == count - 1;
                long from = last ? N - random.nextInt(2_000) : at;
                at += length;
                if (at > N - 200_000) {
                    break;
                }
                byte[] bytes = new byte[length];
                random.nextBytes(bytes);
                ByteBuffer buffer = random.nextBoolean()
                        ? ByteBuffer.wrap(bytes)
                        : ByteBuffer.allocateDirect(length).put(bytes).flip();
                boolean write = random.nextBoolean();
                Future<Integer> future = write ? channel.write(buffer, from) : channel.read(buffer, from);
                flights.add(new Flight(future, buffer,
                        round + "." + i + ", " + (write ? "write" : "read") + " of " + length + " at " + from));
            }
            for (Flight flight : flights) {
                answers.add(flight.answer());
            }
        }
        ByteBuffer all = ByteBuffer.allocate(ChannelSubject.BYTES);
        channel.read(all, 0).get();
        answers.add("content " + Arrays.hashCode(all.array()));
        return answers;
    }

    /**
     * The same random calls of two subjects have the same answers. Closes both.
     *
     * @param seed chooses the calls
     * @param mayReachTheEnd whether calls reach the end of 1 MiB, and go over it
     */
    public static void answersAlike(ChannelSubject oracle, ChannelSubject subject, long seed, boolean mayReachTheEnd)
            throws Exception {
        List<List<String>> answers = new ArrayList<>();
        for (ChannelSubject each : List.of(oracle, subject)) {
            try (each; AsynchronousFileChannel channel = each.openAsync()) {
                answers.add(randomCalls(channel, seed, mayReachTheEnd));
            }
        }
        assertThat(answers.getLast()).as("seed %d", seed).isEqualTo(answers.getFirst());
    }
}
