package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Asynchronous channels of one disk that several threads use, in every order that a seed can choose. */
@NoRescues
class AsyncDiskChannelInterleavingTest {
    private static final int SEEDS = 100;
    private static final int THREADS = 3;
    private static final int BYTES = 1_500;
    private static final long SLEEP_NANOS = 2_000_000_000L;

    private static void forManySeeds(DeterministicRuntime.Body body) {
        for (int i = 0; i < SEEDS; i++) {
            Simulation.run(AsyncDiskChannelInterleavingTest.class, body);
        }
    }

    private static Disk disk(DeterministicRuntime runtime, int depth) throws IOException {
        return NullBlk.builder().completion(NullBlk.Completion.REAPER).memoryBacked(true).depth(depth)
                .capacityBytes(4096).runtime(runtime).build();
    }

    @Test
    void thoseWhoWriteTheirBytesOfACommonBlockOverwriteNobodyElsesWhateverTheyWriteWith() {
        forManySeeds(runtime -> {
            try (Disk disk = disk(runtime, 2);
                    AsynchronousFileChannel shared = disk.openAsynchronousChannel();
                    FileChannel blocking = disk.openChannel()) {
                List<Thread> writers = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    int number = i;
                    writers.add(runtime.spawn("writer " + i,
                            () -> writeEvery(disk, shared, blocking, number, runtime.seed())));
                }
                writers.forEach(runtime::join);
                ByteBuffer all = ByteBuffer.allocate(BYTES);
                assertThat(blocking.read(all, 0)).isEqualTo(BYTES);
                for (int at = 0; at < BYTES; at++) {
                    assertThat(all.get(at)).as("byte %d", at).isEqualTo((byte) (1 + at / 100 % THREADS));
                }
            }
        });
    }

    /** Writes each third hundred of bytes, in random pieces, several of them in flight, through any of three channels. */
    private static void writeEvery(Disk disk, AsynchronousFileChannel shared, FileChannel blocking, int number,
            long seed) throws Exception {
        Random random = new Random(seed + number);
        try (AsynchronousFileChannel own = disk.openAsynchronousChannel()) {
            List<Future<Integer>> writes = new ArrayList<>();
            for (int at = number * 100; at < BYTES; at += THREADS * 100) {
                for (int done = 0; done < 100;) {
                    int length = Math.min(100 - done, 30 + random.nextInt(100));
                    ByteBuffer piece = ByteBuffer.allocate(length);
                    while (piece.hasRemaining()) {
                        piece.put((byte) (1 + number));
                    }
                    piece.flip();
                    switch (random.nextInt(3)) {
                        case 0 -> assertThat(blocking.write(piece, at + done)).isEqualTo(length);
                        case 1 -> writes.add(own.write(piece, at + done));
                        default -> writes.add(shared.write(piece, at + done));
                    }
                    done += length;
                }
            }
            for (Future<Integer> write : writes) {
                assertThat(write.get()).isPositive();
            }
        }
    }

    /** An operation whose outcome and buffer are looked at in the end. */
    private static final class Watched implements CompletionHandler<Integer, String> {
        private final ByteBuffer buffer = ByteBuffer.allocate(300);
        private int told;
        private @Nullable Throwable failure;
        private @Nullable Future<Integer> future;
        private boolean cancelled;
        private int positionWhenTold;

        @Override
        public void completed(Integer result, String attachment) {
            told++;
            positionWhenTold = buffer.position();
        }

        @Override
        public void failed(Throwable cause, String attachment) {
            told++;
            failure = cause;
            positionWhenTold = buffer.position();
        }

        void begin(AsynchronousFileChannel channel, Random random) {
            long at = random.nextInt(1_200);
            boolean write = random.nextBoolean();
            if (random.nextBoolean()) {
                future = write ? channel.write(buffer, at) : channel.read(buffer, at);
            } else if (write) {
                channel.write(buffer, at, "attached", this);
            } else {
                channel.read(buffer, at, "attached", this);
            }
        }

        void cancel() {
            Future<Integer> begun = future;
            if (begun != null && begun.cancel(false)) {
                cancelled = true;
                positionWhenTold = buffer.position();
            }
        }

        boolean isTold() {
            return future != null ? future.isDone() : told > 0;
        }

        void check() throws Exception {
            Future<Integer> begun = future;
            if (cancelled) {
                assertThat(Objects.requireNonNull(begun).isCancelled()).isTrue();
                assertThat(positionWhenTold).isZero();
            } else if (begun != null) {
                try {
                    assertThat(begun.get()).isEqualTo(300);
                    positionWhenTold = 300;
                } catch (ExecutionException e) {
                    failure = e.getCause();
                    positionWhenTold = 0;
                }
            } else {
                assertThat(told).isOne();
            }
            if (failure != null) {
                assertThat(failure).isInstanceOfAny(AsynchronousCloseException.class, ClosedChannelException.class);
                assertThat(positionWhenTold).isZero();
            }
            assertThat(buffer.position()).as("after it was told").isEqualTo(positionWhenTold);
        }
    }

    @Test
    void aCloseOrACancelAmongOperationsTellsEachOnceAndLeavesTheBlocksFree() {
        forManySeeds(runtime -> {
            try (Disk disk = disk(runtime, 2); AsynchronousFileChannel after = disk.openAsynchronousChannel()) {
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                List<Watched> all = new ArrayList<>();
                List<Thread> threads = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    Random random = new Random(runtime.seed() + i);
                    threads.add(runtime.spawn("user " + i, () -> {
                        for (int step = 0; step < 6; step++) {
                            Watched watched = new Watched();
                            all.add(watched);
                            watched.begin(channel, random);
                            if (random.nextInt(3) == 0) {
                                runtime.switchPoint();
                                watched.cancel();
                            }
                        }
                    }));
                }
                threads.add(runtime.spawn("closer", () -> {
                    runtime.sleep(new Random(runtime.seed()).nextInt(30_000));
                    channel.close();
                }));
                threads.forEach(runtime::join);
                runtime.await("all are told", () -> all.stream().allMatch(Watched::isTold));
                Future<Integer> last = after.write(ByteBuffer.allocate(3_000), 1);
                assertThat(last.get()).isEqualTo(3_000);
                for (Watched watched : all) {
                    watched.check();
                }
            }
        });
    }

    /** Whole blocks of a pooled buffer are the caller's own memory at the device: what its user has again, the device has no more. */
    @Test
    void whoIsToldOfACloseHasItsMemoryAgain() {
        forManySeeds(runtime -> {
            RecordingDriver driver = new RecordingDriver().runtime(runtime).depth(2);
            try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(4096)) {
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                List<Integer> inFlightWhenTold = new ArrayList<>();
                Thread reader = runtime.spawn("reader",
                        () -> channel.read(buffer.memory().asByteBuffer(), 0, "", new CompletionHandler<>() {
                            @Override
                            public void completed(Integer result, String attachment) {
                                inFlightWhenTold.add(driver.inFlight().size());
                            }

                            @Override
                            public void failed(Throwable cause, String attachment) {
                                assertThat(cause).isInstanceOfAny(AsynchronousCloseException.class,
                                        ClosedChannelException.class);
                                inFlightWhenTold.add(driver.inFlight().size());
                            }
                        }));
                Thread closer = runtime.spawn("closer", channel::close);
                runtime.sleep(10_000);
                runtime.join(reader);
                while (inFlightWhenTold.isEmpty()) {
                    driver.completeAll();
                    runtime.sleep(10_000);
                }
                runtime.join(closer);
                assertThat(inFlightWhenTold).containsExactly(0);
                driver.completeAll();
            }
        });
    }

    /** A handler that is told by the runtime and takes its time keeps no timer, and no other channel's handler, waiting. */
    @Test
    void aHandlerThatSleepsDelaysNeitherTimersNorHandlersOfOtherChannels() {
        forManySeeds(runtime -> {
            try (Disk slow = disk(runtime, 2);
                    Disk timed = NullBlk.builder().name("timed").completion(NullBlk.Completion.TIMER)
                            .completionNanos(100_000).capacityBytes(4096).runtime(runtime).build();
                    IoBuffer buffer = timed.allocate(4096)) {
                Watched told = new Watched();
                List<String> order = new ArrayList<>();
                AsynchronousFileChannel sleeping = slow.openAsynchronousChannel();
                AsynchronousFileChannel awake = timed.openAsynchronousChannel();
                sleeping.read(ByteBuffer.allocate(16), 4096, "sleeps", new CompletionHandler<>() {
                    @Override
                    public void completed(Integer result, String attachment) {
                        order.add("begins");
                        runtime.sleep(SLEEP_NANOS);
                        order.add("ends");
                    }

                    @Override
                    public void failed(Throwable cause, String attachment) {
                        order.add(cause.toString());
                    }
                });
                runtime.await("the handler sleeps", () -> !order.isEmpty());
                long begin = runtime.nanoTime();
                timed.read(0, buffer.memory());
                awake.read(told.buffer, 4096, "", told);
                runtime.await("the other is told", told::isTold);
                assertThat(runtime.nanoTime() - begin).as("virtual time").isLessThan(SLEEP_NANOS / 2);
                assertThat(order).containsExactly("begins");
                runtime.await("the handler has slept", () -> order.size() == 2);
                sleeping.close();
                awake.close();
            }
        });
    }
}
