package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The disk as an asynchronous file: what the table of its contract cannot show. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class AsyncDiskChannelTest {
    private static final int CAPACITY_BYTES = 4 << 20;

    private static Disk memory(Completion completion, int depth) throws IOException {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).blockBytes(4096)
                .capacityBytes(CAPACITY_BYTES).depth(depth).build();
    }

    private static RecordingDriver blocksOf4096() {
        return new RecordingDriver().limits(limits -> limits.logicalBlockBytes(4096).segmentBytesMax(65536));
    }

    /** A handler of one operation. */
    private static CompletionHandler<Integer, String> handler(Consumer<Object> told) {
        return new CompletionHandler<>() {
            @Override
            public void completed(Integer result, String attachment) {
                told.accept(result);
            }

            @Override
            public void failed(Throwable cause, String attachment) {
                told.accept(cause);
            }
        };
    }

    private static Throwable causeOf(Future<?> future) {
        try {
            throw new AssertionError("expected a failure, but got " + future.get(120, TimeUnit.SECONDS));
        } catch (ExecutionException e) {
            return Objects.requireNonNull(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    // ---- the way of the data

    @Test
    void wholeBlocksGoThroughAndPartsOfBlocksAreReadFirstBothAtOnce() throws IOException {
        RecordingDriver driver = blocksOf4096();
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            Future<Integer> whole = channel.write(ByteBuffer.allocate(8192), 4096);
            assertThat(driver.log()).containsExactly("WRITE 8");
            driver.completeAll();
            assertThat(whole.isDone()).isTrue();
            Future<Integer> parts = channel.write(ByteBuffer.allocate(8192), 100);
            assertThat(driver.log()).extracting(line -> line.replace(" more", "")).containsExactly("READ 0", "READ 16");
            driver.complete(Status.OK);
            assertThat(driver.log()).isEmpty();
            driver.complete(Status.OK);
            assertThat(driver.log()).containsExactly("WRITE 0");
            driver.complete(Status.OK);
            assertThat(parts.isDone()).isTrue();
            var _ = channel.write(ByteBuffer.allocate(10), 5000);
            assertThat(driver.log()).containsExactly("READ 8");
            driver.complete(Status.OK);
            assertThat(driver.log()).containsExactly("WRITE 8");
            driver.complete(Status.OK);
            var _ = channel.read(ByteBuffer.allocate(1), 8191);
            assertThat(driver.log()).containsExactly("READ 8");
            driver.completeAll();
        }
        assertThat(driver.violations()).isEmpty();
    }

    @Test
    void memoryOfTheDisksOwnKindGoesToTheDeviceAsItIs() throws Exception {
        RecordingDriver driver = blocksOf4096();
        try (Disk disk = driver.limits(limits -> limits.requestBytesMax(2 << 20).segmentBytesMax(1 << 20)).disk();
                IoBuffer own = disk.allocate(1 << 20);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            ByteBuffer buffer = own.memory().asByteBuffer().position(8192).limit(16384);
            Future<Integer> read = channel.read(buffer, 4096);
            List<Long> addresses = new ArrayList<>();
            driver.inFlight().getFirst()
                    .forEachSegment((memory, offset, _) -> addresses.add(memory.address() + offset));
            assertThat(addresses).containsExactly(own.memory().address() + 8192);
            Arrays.fill(driver.data(), 4096, 12288, (byte) 5);
            driver.completeAll();
            assertThat(read.get()).isEqualTo(8192);
            assertThat(buffer.position()).isEqualTo(16384);
            assertThat(buffer.get(8192)).isEqualTo((byte) 5);
            Future<Integer> write = channel.write(buffer.position(0), 0);
            assertThat(driver.inFlight()).hasSize(1);
            driver.completeAll();
            assertThat(write.get()).isEqualTo(16384);
            assertThat(disk.queue().bounces()).isZero();
        }
    }

    @Test
    void aLongTransferTakesNoMoreMemoryThanAPieceAndGoesOnByItself() throws Exception {
        byte[] pattern = new byte[3_000_000];
        new Random(4).nextBytes(pattern);
        try (Disk disk = memory(Completion.REAPER, 4);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            assertThat(channel.write(ByteBuffer.wrap(pattern), 12_345).get()).isEqualTo(pattern.length);
            ByteBuffer found = ByteBuffer.allocate(pattern.length);
            assertThat(channel.read(found, 12_345).get()).isEqualTo(pattern.length);
            assertThat(found.array()).isEqualTo(pattern);
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    void aFailedPieceIsTheErrorOfTheNextCall() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.limits(limits -> limits.requestBytesMax(1 << 20)).disk();
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            disk.queue().setCapacitySectors(1L << 20);
            ByteBuffer buffer = ByteBuffer.allocate(1024);
            driver.answer(Status.OK).answer(Status.MEDIUM);
            assertThat(channel.write(buffer, (1 << 20) - 512).get()).isEqualTo(512);
            assertThat(buffer.position()).isEqualTo(512);
            driver.answer(Status.MEDIUM);
            assertThat(causeOf(channel.write(buffer, 1 << 20))).isInstanceOf(BlockIOException.class)
                    .hasMessage("WRITE of 512 bytes at sector 2048 of rec0 failed: medium error (MEDIUM, errno 61)");
            assertThat(buffer.position()).isEqualTo(512);
        }
    }

    @Test
    void aBlockThatCannotBeReadIsNotWritten() throws IOException {
        RecordingDriver driver = blocksOf4096().completesAtOnce().answer(Status.MEDIUM);
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            assertThat(causeOf(channel.write(ByteBuffer.allocate(10), 4090))).isInstanceOf(BlockIOException.class)
                    .hasMessageContaining("READ of 4096 bytes at sector 0 of rec0 failed");
            assertThat(driver.log()).noneMatch(line -> line.startsWith("WRITE"));
            // The blocks are free again.
            var _ = channel.write(ByteBuffer.allocate(10), 0);
            assertThat(driver.log()).containsExactly("READ 0", "WRITE 0");
        }
    }

    @Test
    void writesOfAChannelOpenedWithDsyncAreDurable() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.writeCache(true, true));
        try (Disk disk = driver.disk();
                AsynchronousFileChannel channel = disk.openAsynchronousChannel(StandardOpenOption.WRITE,
                        StandardOpenOption.DSYNC);
                var blocking = disk.openChannel(StandardOpenOption.WRITE, StandardOpenOption.SYNC)) {
            channel.write(ByteBuffer.allocate(10), 0).get();
            assertThat(driver.log()).containsExactly("READ 0", "WRITE 0 FUA");
            blocking.write(ByteBuffer.allocate(512), 512);
            assertThat(driver.log()).containsExactly("WRITE 1 FUA");
        }
    }

    @Test
    void aReadOnlyDiskIsNotOpenedForWriting() throws IOException {
        try (Disk disk = NullBlk.builder().name("ro0").memoryBacked(true).readOnly(true).build();
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> disk.openAsynchronousChannel(StandardOpenOption.WRITE))
                    .withMessageContaining("ro0 is read-only");
            assertThatExceptionOfType(NonWritableChannelException.class)
                    .isThrownBy(() -> channel.write(ByteBuffer.allocate(1), 0));
        }
    }

    @Test
    void memoryThatAnotherThreadCannotUseIsRefused() throws IOException {
        try (Disk disk = memory(Completion.REAPER, 4);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                Arena confined = Arena.ofConfined()) {
            ByteBuffer mine = confined.allocate(10).asByteBuffer();
            assertThatIllegalArgumentException().isThrownBy(() -> channel.read(mine, 0))
                    .withMessageContaining("confined to one thread");
            assertThatIllegalArgumentException().isThrownBy(() -> channel.write(mine, 0));
            ByteBuffer closed;
            try (Arena gone = Arena.ofShared()) {
                closed = gone.allocate(10).asByteBuffer();
            }
            assertThatIllegalStateException().isThrownBy(() -> channel.read(closed, 0))
                    .withMessageContaining("is closed");
        }
    }

    @Test
    void memoryWhoseArenaIsClosedMeanwhileFailsTheReadAlone() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            Future<Integer> read;
            try (Arena arena = Arena.ofShared()) {
                read = channel.read(arena.allocate(10).asByteBuffer(), 0);
            }
            driver.complete(Status.OK);
            assertThat(causeOf(read)).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    // ---- nobody waits

    @Test
    void noCallWaitsForATagOrAFrozenDisk() throws Exception {
        RecordingDriver driver = new RecordingDriver().depth(1);
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            List<Future<Integer>> reads = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                reads.add(channel.read(ByteBuffer.allocate(10), i * 512L));
            }
            assertThat(driver.inFlight()).hasSize(1);
            assertThat(reads).noneMatch(Future::isDone);
            while (driver.completeAll() > 0) {
                // each makes room for the next
            }
            for (Future<Integer> read : reads) {
                assertThat(read.get()).isEqualTo(10);
            }
            disk.freeze();
            Future<Integer> frozen = channel.write(ByteBuffer.allocate(512), 0);
            assertThat(frozen.isDone()).isFalse();
            disk.unfreeze();
            Eventually.until("the write is in flight", () -> !driver.inFlight().isEmpty());
            driver.complete(Status.OK);
            assertThat(frozen.get()).isEqualTo(512);
        }
    }

    @Test
    void whereTheRuntimeHasNoThreadTheHandlersAreToldAllTheSame() throws Exception {
        ScantRuntime runtime = new ScantRuntime(IoRuntime.system());
        RecordingDriver driver = new RecordingDriver().completesAtOnce().runtime(runtime);
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            List<Object> told = Collections.synchronizedList(new ArrayList<>());
            runtime.refuse(ScantRuntime.Call.TELL, 1);
            channel.read(ByteBuffer.allocate(10), 0, "", handler(told::add));
            assertThat(told).containsExactly(10);
            channel.read(ByteBuffer.allocate(20), 0, "", handler(told::add));
            Eventually.until("the second is told", () -> told.size() == 2);
        }
    }

    @Test
    void anExecutorThatTakesAHandlerAndThrowsTellsItOnce() throws Exception {
        List<Runnable> taken = new ArrayList<>();
        try (Disk disk = memory(Completion.INLINE, 1);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel(task -> {
                    taken.add(task);
                    throw new OutOfMemoryError("unable to create native thread: on purpose");
                })) {
            List<Object> told = Collections.synchronizedList(new ArrayList<>());
            channel.read(ByteBuffer.allocate(10), 0, "", handler(told::add));
            Eventually.until("it is told", () -> !told.isEmpty());
            taken.forEach(Runnable::run);
            assertThat(told).containsExactly(10);
        }
    }

    @Test
    void aHandlerThatThrowsWhenTheChannelIsClosedKeepsNoOtherFromBeingTold() throws Exception {
        RecordingDriver driver = blocksOf4096();
        List<Object> told = new ArrayList<>();
        try (Disk disk = driver.disk()) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel(Runnable::run);
            channel.read(ByteBuffer.allocate(100), 100, "", handler(end -> {
                told.add(end);
                throw new IllegalStateException("on purpose");
            }));
            channel.read(ByteBuffer.allocate(100), 5000, "", handler(told::add));
            Future<Integer> third = channel.read(ByteBuffer.allocate(100), 9000);
            channel.close();
            assertThat(causeOf(third)).isInstanceOf(AsynchronousCloseException.class);
            assertThat(told).hasSize(2)
                    .allSatisfy(end -> assertThat(end).isInstanceOf(AsynchronousCloseException.class));
            driver.completeAll();
        }
    }

    @Test
    void whoChangesTheBufferMeanwhileIsToldSo() throws Exception {
        RecordingDriver driver = blocksOf4096();
        try (Disk disk = driver.disk();
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                IoBuffer memory = IoBuffer.allocate(4096)) {
            ByteBuffer buffer = memory.memory().asByteBuffer();
            Future<Integer> read = channel.read(buffer, 0);
            buffer.limit(100);
            Eventually.until("it has ended", () -> driver.completeAll() == 0 && read.isDone());
            assertThat(causeOf(read)).isInstanceOf(IllegalStateException.class).hasMessage(
                    "4096 bytes have been transferred, but the buffer was changed meanwhile: its position is 0 and its limit 100");
            assertThat(channel.read(ByteBuffer.allocate(0), 0).get()).isZero();
        }
    }

    @Test
    void aWriteFromAFileThatWasCutFailsAndGivesItsBlocksBack(@TempDir Path folder) throws Exception {
        try (Disk disk = memory(Completion.REAPER, 4);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                Arena arena = Arena.ofShared()) {
            MemorySegment cut = CutFile.map(folder, 4096, arena);
            assertThat(causeOf(channel.write(cut.asByteBuffer(), 0))).isInstanceOf(InternalError.class);
            assertThat(causeOf(channel.read(cut.asByteBuffer(), 0))).isInstanceOf(InternalError.class);
            assertThat(disk.openChannel().write(ByteBuffer.allocate(4096), 0)).isEqualTo(4096);
            assertThat(channel.write(ByteBuffer.allocate(100), 0).get(120, TimeUnit.SECONDS)).isEqualTo(100);
        }
    }

    @Test
    void aWriteThatFindsItsBlockLockedWaitsForItAndNotTheThread() throws Exception {
        RecordingDriver driver = blocksOf4096();
        try (Disk disk = driver.disk();
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                AsynchronousFileChannel other = disk.openAsynchronousChannel()) {
            Future<Integer> first = channel.write(ByteBuffer.wrap(new byte[]{1}), 0);
            Future<Integer> second = other.write(ByteBuffer.wrap(new byte[]{2}), 1);
            Future<Integer> whole = channel.write(ByteBuffer.allocate(4096), 4096);
            Future<Integer> third = channel.write(ByteBuffer.wrap(new byte[]{3}), 4096);
            assertThat(driver.log()).containsExactly("READ 0", "WRITE 8");
            Eventually.until("all have ended", () -> {
                driver.completeAll();
                return second.isDone() && third.isDone();
            });
            assertThat(first.get() + second.get() + whole.get() + third.get()).isEqualTo(4099);
            assertThat(Arrays.copyOf(driver.data(), 3)).containsExactly(1, 2, 0);
            assertThat(driver.data()[4096]).isEqualTo((byte) 3);
        }
        assertThat(driver.violations()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void concurrentWritesToOneBlockLoseNoBytesWhicheverChannelTheyGoThrough(Completion completion) throws Exception {
        try (Disk disk = memory(completion, 4);
                AsynchronousFileChannel one = disk.openAsynchronousChannel();
                AsynchronousFileChannel other = disk.openAsynchronousChannel();
                var blocking = disk.openChannel()) {
            int threads = completion == Completion.POLLED ? 1 : 4;
            Eventually.together(threads, true, number -> {
                List<Future<Integer>> writes = new ArrayList<>();
                for (int i = 0; i < 256; i++) {
                    for (int part = number; part < 4; part += threads) {
                        ByteBuffer source = ByteBuffer.wrap(new byte[]{(byte) (part + 1)});
                        switch (i % 3) {
                            case 0 -> blocking.write(source, i * 4L + part);
                            case 1 -> writes.add(one.write(source, i * 4L + part));
                            default -> writes.add(other.write(source, i * 4L + part));
                        }
                    }
                }
                for (Future<Integer> write : writes) {
                    assertThat(write.get()).isOne();
                }
            });
            ByteBuffer found = ByteBuffer.allocate(1024);
            assertThat(one.read(found, 0).get()).isEqualTo(1024);
            for (int i = 0; i < 1024; i++) {
                assertThat(found.get(i)).as("byte %d", i).isEqualTo((byte) (i % 4 + 1));
            }
            HeldTags.awaitNone(disk);
        }
    }

    // ---- handlers

    /** So many that a step over all of them for each of them would not come to an end. */
    private static final int MANY = 20_000;

    @Test
    void manyPendingWritesThatShareTheirBlocksAreDoneInTheOrderInWhichTheyWereBegun() throws Exception {
        try (Disk disk = memory(Completion.REAPER, 16);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            byte[] expected = new byte[MANY * 10 + 1_000];
            List<Future<Integer>> writes = new ArrayList<>();
            for (int i = 0; i < MANY; i++) {
                byte[] content = new byte[1_000];
                Arrays.fill(content, (byte) i);
                System.arraycopy(content, 0, expected, i * 10, content.length);
                writes.add(channel.write(ByteBuffer.wrap(content), i * 10L));
            }
            for (Future<Integer> write : writes) {
                assertThat(write.get()).isEqualTo(1_000);
            }
            ByteBuffer all = ByteBuffer.allocate(expected.length);
            assertThat(channel.read(all, 0).get()).isEqualTo(expected.length);
            assertThat(all.array()).isEqualTo(expected);
        }
    }

    @Test
    void closingWithManyPendingWritesThatShareTheirBlocksTellsThemInTheOrderInWhichTheyWereBegun() throws Exception {
        ConcurrentLinkedQueue<Integer> order = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<Object> outcomes = new ConcurrentLinkedQueue<>();
        try (Disk disk = memory(Completion.REAPER, 16);
                AsynchronousFileChannel after = disk.openAsynchronousChannel()) {
            disk.freeze();
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            for (int i = 0; i < MANY; i++) {
                int number = i;
                channel.write(ByteBuffer.allocate(1_000), i * 100L, "", handler(told -> {
                    order.add(number);
                    outcomes.add(told);
                }));
            }
            channel.close();
            Eventually.until("all are told", () -> order.size() == MANY);
            assertThat(new ArrayList<>(order)).isSorted();
            assertThat(outcomes).hasOnlyElementsOfType(AsynchronousCloseException.class);
            Future<Integer> next = after.write(ByteBuffer.allocate(CAPACITY_BYTES - 1), 1);
            disk.unfreeze();
            assertThat(next.get()).isEqualTo(CAPACITY_BYTES - 1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, CAPACITY_BYTES})
    void handlersThatBeginTheNextOperationNeverNest(int position) throws IOException {
        int rounds = 20_000;
        AtomicInteger told = new AtomicInteger();
        AtomicInteger deepest = new AtomicInteger();
        try (Disk disk = memory(Completion.INLINE, 4);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            ByteBuffer buffer = ByteBuffer.allocate(10);
            CompletionHandler<Integer, Integer> next = new CompletionHandler<>() {
                @Override
                public void completed(Integer result, Integer inside) {
                    assertThat(result).isEqualTo(position == 0 ? 10 : -1);
                    deepest.accumulateAndGet(Thread.currentThread().getStackTrace().length, Math::max);
                    if (told.incrementAndGet() < rounds) {
                        channel.read(buffer.clear(), position, inside, this);
                    }
                }

                @Override
                public void failed(Throwable cause, Integer inside) {
                    throw new AssertionError(cause);
                }
            };
            channel.read(buffer, position, 0, next);
            Eventually.until("all are told", () -> told.get() == rounds);
            assertThat(deepest.get()).isLessThan(100);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, CAPACITY_BYTES})
    void aHandlerNeverRunsWithinTheCallThatItIsFor(int position) throws IOException {
        try (Disk disk = memory(Completion.INLINE, 4);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            AtomicReference<@Nullable Thread> teller = new AtomicReference<>();
            for (int i = 0; i < 100; i++) {
                teller.set(null);
                channel.read(ByteBuffer.allocate(10), position, "", handler(_ -> teller.set(Thread.currentThread())));
                Eventually.until("told", () -> teller.get() != null);
                assertThat(teller.get()).isNotEqualTo(Thread.currentThread());
            }
        }
    }

    @Test
    void aHandlerMayNotBlockOnADiskUnlessItRunsElsewhere() throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try (Disk disk = memory(Completion.REAPER, 1);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel();
                AsynchronousFileChannel elsewhere = disk.openAsynchronousChannel(executor)) {
            for (long position : new long[]{0, CAPACITY_BYTES}) {
                for (AsynchronousFileChannel each : List.of(channel, elsewhere)) {
                    AtomicReference<@Nullable Object> found = new AtomicReference<>();
                    each.read(ByteBuffer.allocate(10), position, "", handler(_ -> {
                        try {
                            found.set(each.read(ByteBuffer.allocate(5), 0).get());
                        } catch (IllegalStateException | InterruptedException | ExecutionException e) {
                            found.set(e);
                        }
                    }));
                    Eventually.until("told", () -> found.get() != null);
                    if (each.equals(elsewhere)) {
                        assertThat(found.get()).isEqualTo(5);
                    } else {
                        assertThat(found.get()).isInstanceOf(IllegalStateException.class);
                    }
                }
            }
            executor.shutdown();
            AtomicReference<@Nullable Object> found = new AtomicReference<>();
            elsewhere.read(ByteBuffer.allocate(10), 0, "", handler(found::set));
            Eventually.until("told although the executor takes nothing any more", () -> found.get() != null);
            assertThat(found.get()).isEqualTo(10);
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void whatAHandlerThrowsHurtsNobody() throws Exception {
        try (Disk disk = memory(Completion.REAPER, 1);
                AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            AtomicInteger told = new AtomicInteger();
            for (int i = 0; i < 20; i++) {
                channel.write(ByteBuffer.allocate(10), 0, "", handler(_ -> {
                    told.incrementAndGet();
                    throw new IllegalStateException("thrown by a handler of the test");
                }));
            }
            Eventually.until("all are told", () -> told.get() == 20);
            assertThat(channel.read(ByteBuffer.allocate(10), 0).get()).isEqualTo(10);
            HeldTags.awaitNone(disk);
        }
    }

    // ---- closing

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void closingEndsWhatIsInFlightAndTheCallersMemoryIsLeftAlone(boolean write) throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            Arrays.fill(driver.data(), (byte) 3);
            ByteBuffer buffer = ByteBuffer.allocate(512);
            ConcurrentLinkedQueue<Object> told = new ConcurrentLinkedQueue<>();
            Future<Integer> future;
            if (write) {
                future = channel.write(buffer, 0);
                channel.write(ByteBuffer.allocate(512), 512, "", handler(told::add));
            } else {
                future = channel.read(buffer, 0);
                channel.read(ByteBuffer.allocate(512), 512, "", handler(told::add));
            }
            assertThat(driver.inFlight()).hasSize(2);
            channel.close();
            assertThat(causeOf(future)).isExactlyInstanceOf(AsynchronousCloseException.class);
            Eventually.until("the handler is told", () -> !told.isEmpty());
            assertThat(told.peek()).isExactlyInstanceOf(AsynchronousCloseException.class);
            assertThat(driver.completeAll()).as("the device still had them").isEqualTo(2);
            assertThat(buffer.array()).as("the caller's memory").containsOnly(0);
            assertThat(buffer.position()).isZero();
            assertThat(told).hasSize(1);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void memoryThatTheDeviceHasIsTheCallersAgainWhenTheCloseIsTold() throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); IoBuffer own = disk.allocate(512)) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            Future<Integer> read = channel.read(own.memory().asByteBuffer(), 0);
            channel.close();
            assertThat(read.isDone()).as("while the device has the memory").isFalse();
            driver.complete(Status.OK);
            assertThat(causeOf(read)).isExactlyInstanceOf(AsynchronousCloseException.class);
        }
    }

    @Test
    void blocksStayLockedUntilTheDeviceIsDoneWithAnAbandonedWrite() throws Exception {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); AsynchronousFileChannel next = disk.openAsynchronousChannel()) {
            AsynchronousFileChannel abandoned = disk.openAsynchronousChannel();
            Future<Integer> writer = abandoned.write(ByteBuffer.allocate(512), 0);
            Future<Integer> waiting = abandoned.write(ByteBuffer.allocate(512), 0);
            Future<Integer> second = next.write(ByteBuffer.allocate(512), 0);
            abandoned.close();
            assertThat(causeOf(writer)).isInstanceOf(AsynchronousCloseException.class);
            assertThat(causeOf(waiting)).isInstanceOf(AsynchronousCloseException.class);
            assertThat(driver.inFlight()).hasSize(1);
            driver.complete(Status.OK);
            Eventually.until("the other channel's is in flight", () -> !driver.inFlight().isEmpty());
            driver.complete(Status.OK);
            assertThat(second.get()).isEqualTo(512);
            assertThat(driver.log()).as("what only waited was never sent").containsExactly("WRITE 0", "WRITE 0");
        }
    }

    @Test
    void aCloseBetweenReadAndWriteLeavesTheBlockAsItWas() throws IOException {
        RecordingDriver driver = blocksOf4096();
        try (Disk disk = driver.disk()) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            var _ = channel.write(ByteBuffer.wrap(new byte[]{1}), 5);
            channel.close();
            driver.complete(Status.OK);
            assertThat(driver.log()).containsExactly("READ 0");
            assertThat(driver.data()[5]).isZero();
            try (AsynchronousFileChannel next = disk.openAsynchronousChannel()) {
                var _ = next.write(ByteBuffer.wrap(new byte[]{2}), 5);
                assertThat(driver.log()).as("its block is free").containsExactly("READ 0");
                driver.completeAll();
            }
        }
    }

    @Test
    void aChannelOfAClosedDiskFails() throws IOException {
        Disk disk = memory(Completion.REAPER, 4);
        AsynchronousFileChannel channel = disk.openAsynchronousChannel();
        disk.close();
        assertThat(causeOf(channel.read(ByteBuffer.allocate(1), 0))).isInstanceOf(BlockIOException.class)
                .satisfies(e -> assertThat(((BlockIOException) e).status()).isEqualTo(Status.NODEV));
        assertThat(causeOf(channel.write(ByteBuffer.allocate(1), 0))).isInstanceOf(BlockIOException.class);
        assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.force(true))
                .withMessageContaining("FLUSH");
        channel.close();
    }

    // ---- cancelling

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aCancelledOperationLeavesTheBufferAloneAndOnRequestClosesTheChannel(boolean mayInterrupt) throws IOException {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            Arrays.fill(driver.data(), (byte) 3);
            ByteBuffer buffer = ByteBuffer.allocate(512);
            Future<Integer> cancelled = channel.read(buffer, 0);
            Future<Integer> other = channel.read(ByteBuffer.allocate(512), 0);
            assertThat(cancelled.cancel(mayInterrupt)).isTrue();
            assertThat(cancelled.cancel(mayInterrupt)).isFalse();
            assertThat(cancelled.isCancelled()).isTrue();
            assertThat(cancelled.isDone()).isTrue();
            assertThatExceptionOfType(CancellationException.class).isThrownBy(cancelled::get);
            assertThat(channel.isOpen()).isEqualTo(!mayInterrupt);
            driver.completeAll();
            assertThat(buffer.array()).containsOnly(0);
            assertThat(buffer.position()).isZero();
            if (mayInterrupt) {
                assertThat(causeOf(other)).isExactlyInstanceOf(AsynchronousCloseException.class);
            } else {
                assertThat(other.isDone()).isTrue();
                assertThat(other.isCancelled()).isFalse();
            }
            channel.close();
        }
    }

    @Test
    void aWaitForAFutureEndsByTimeInterruptOrResult() throws Exception {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk(); AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            Future<Integer> read = channel.read(ByteBuffer.allocate(512), 0);
            assertThatExceptionOfType(TimeoutException.class).isThrownBy(() -> read.get(1, TimeUnit.MILLISECONDS))
                    .withMessageContaining("1 MILLISECONDS");
            Eventually.Worker<Integer> interrupted = Eventually.call(read::get);
            Eventually.waitsIn(interrupted.thread(), DiskFuture.class);
            interrupted.thread().interrupt();
            assertThat(interrupted.failure()).isInstanceOf(InterruptedException.class);
            Eventually.Worker<Integer> waiter = Eventually.call(read::get);
            Eventually.waitsIn(waiter.thread(), DiskFuture.class);
            driver.complete(Status.OK);
            assertThat(waiter.join()).isEqualTo(512);
            assertThat(channel.isOpen()).isTrue();
        }
    }

    // ---- force

    @Test
    void forceIsAFlushThatAnInterruptDoesNotEndAndACloseDoes() throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            Eventually.Worker<Boolean> forcing = Eventually.call(() -> {
                Thread.currentThread().interrupt();
                channel.force(true);
                return Thread.interrupted();
            });
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            driver.complete(Status.OK);
            assertThat(forcing.join()).as("the interrupt is kept").isTrue();
            assertThat(driver.log()).containsExactly("FLUSH");
            driver.answer(Status.IOERR);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> channel.force(false))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.IOERR));
            Eventually.Worker<Boolean> closed = Eventually.start(() -> channel.force(true));
            Eventually.until("in flight", () -> !driver.inFlight().isEmpty());
            channel.close();
            assertThat(closed.failure()).isExactlyInstanceOf(AsynchronousCloseException.class);
            driver.completeAll();
        }
    }
}
