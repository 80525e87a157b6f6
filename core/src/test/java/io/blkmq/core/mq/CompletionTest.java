package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What completions of bios may do, and what becomes of it. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class CompletionTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    @Test
    void aCompletionThatThrowsIsCountedAndCostsNothing() {
        try (Disk disk = driver.depth(2).disk()) {
            long before = CallbackFailures.count();
            for (int i = 0; i < 10; i++) {
                disk.submit(told.read(i).onEnd(_ -> {
                    throw new IllegalArgumentException("on purpose");
                }));
                disk.submit(told.read(i));
                driver.completeAll();
            }
            assertThat(told.ends()).hasSize(10);
            assertThat(CallbackFailures.count()).isEqualTo(before + 10);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void anExceptionThatThrowsWhenItIsAskedWhatItIsCostsNothingEither() {
        try (Disk disk = ThrowingLoggerFinder.merging(driver)) {
            long before = CallbackFailures.count();
            ThrowingLoggerFinder.submitMerged(disk, told, _ -> {
                throw new Unspeakable();
            });
            assertThat(driver.completeAll()).as("requests").isOne();
            assertThat(told.ends()).containsExactly(Told.ok(1));
            assertThat(CallbackFailures.count()).isEqualTo(before + 1);
            assertThat(CallbackFailures.latest()).endsWith("failed: " + Unspeakable.class.getName());
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(disk.queue().close(TimeUnit.SECONDS.toNanos(1))).isTrue();
        }
    }

    /** Does not say what it is. */
    private static final class Unspeakable extends RuntimeException {
        private static final long serialVersionUID = 1;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no message, on purpose");
        }
    }

    @Test
    void aLoggerThatThrowsCostsNothing(@TempDir Path folder) throws Exception {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve("java.lang.System$LoggerFinder"), ThrowingLoggerFinder.class.getName());
        Process process = JavaProcess.start("-cp", folder + File.pathSeparator + JavaProcess.classPath(),
                ThrowingLoggerFinder.Program.class.getName());
        process.getOutputStream().close();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(printed).contains("[READ 1 OK] 0 true");
        assertThat(process.waitFor()).isZero();
    }

    @Test
    void anErrorThrownByACompletionIsNoDifferent() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0).onEnd(_ -> {
                throw new StackOverflowError("on purpose");
            }));
            driver.completeAll();
            assertThat(disk.queue().heldTags()).isZero();
            disk.submit(told.read(1));
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(1));
        }
    }

    @Test
    void aBioMayBeUsedAgainFromItsOwnCompletion() {
        try (Disk disk = driver.depth(1).disk()) {
            AtomicInteger left = new AtomicInteger(3);
            Bio bio = told.read(0);
            disk.submit(bio.onEnd(ended -> {
                assertThat(ended.isInFlight()).isFalse();
                if (left.getAndDecrement() > 0) {
                    disk.submit(ended.retarget(Operation.READ, left.get() + 1));
                }
            }));
            for (int i = 0; i < 4; i++) {
                driver.complete(Status.OK);
            }
            assertThat(driver.log()).containsExactly("READ 0", "READ 3", "READ 2", "READ 1");
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void whatEndsWithoutARequestEndsWithinTheBlockLayerToo() {
        try (Disk disk = driver.disk()) {
            // No write cache: a flush ends at once.
            AtomicInteger left = new AtomicInteger(100_000);
            Bio flush = new Bio(0).reset(Operation.FLUSH, 0);
            disk.submit(flush.onEnd(ended -> {
                assertThatIllegalStateException().isThrownBy(disk::flush)
                        .withMessageContaining("from inside a completion");
                if (left.getAndDecrement() > 0) {
                    disk.submit(ended);
                }
            }));
            assertThat(left).hasValue(-1);
            assertThat(flush.status()).isEqualTo(Status.OK);
        }
    }

    @Test
    void aMillionResubmissionsFromTheCompletionNeedNoStack() throws IOException {
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).depth(4).build();
                IoBuffer buffer = disk.allocate(512)) {
            AtomicInteger left = new AtomicInteger(1_000_000);
            Bio bio = new Bio().reset(Operation.READ, 0).add(buffer.memory());
            bio.onEnd(ended -> {
                if (left.decrementAndGet() > 0) {
                    disk.submit(ended);
                }
            });
            Thread small = new Thread(null, () -> disk.submit(bio), "small stack", 128 << 10);
            small.start();
            Eventually.until("all are done", () -> !small.isAlive());
            assertThat(left.get()).isZero();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void twoDisksThatSubmitToEachOtherNeedNoStackEither() throws IOException {
        try (Disk a = NullBlk.builder().name("a").completion(NullBlk.Completion.INLINE).depth(1).build();
                Disk b = NullBlk.builder().name("b").completion(NullBlk.Completion.INLINE).depth(1).build();
                IoBuffer buffer = a.allocate(512)) {
            AtomicInteger left = new AtomicInteger(200_000);
            Bio bio = new Bio().reset(Operation.READ, 0).add(buffer.memory());
            bio.onEnd(ended -> {
                int now = left.decrementAndGet();
                if (now > 0) {
                    (now % 2 == 0 ? a : b).submit(ended);
                }
            });
            Thread small = new Thread(null, () -> a.submit(bio), "small stack", 128 << 10);
            small.start();
            Eventually.until("all are done", () -> !small.isAlive());
            assertThat(left.get()).isZero();
        }
    }

    @Test
    void whatWouldWaitIsRefusedInACompletion() {
        Disk disk = driver.disk();
        List<Runnable> waiting = List.of(disk::freeze, disk::close, () -> disk.queue().freezeStart(),
                () -> disk.queue().freezeWait(0), disk.queue()::close, () -> blocking(disk));
        List<String> refusals = new ArrayList<>();
        disk.submit(told.read(0).onEnd(_ -> {
            for (Runnable each : waiting) {
                assertThatIllegalStateException().isThrownBy(each::run)
                        .satisfies(e -> refusals.add(String.valueOf(e.getMessage())));
            }
        }));
        driver.complete(Status.OK);
        assertThat(refusals).hasSize(waiting.size())
                .allMatch(message -> message.contains("from inside a completion of a block device"));
        assertThat(disk.isClosed()).isFalse();
        disk.freeze();
        disk.unfreeze();
        disk.close();
    }

    private static void blocking(Disk disk) {
        try (IoBuffer buffer = disk.allocate(512)) {
            disk.read(0, buffer.memory());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whatACompletionSubmitsWithoutATagLeftGoesOnWhenOneIsFreed() {
        try (Disk disk = driver.depth(2).disk()) {
            disk.submit(told.read(0).onEnd(_ -> told.submitReads(disk, 10, 15)));
            disk.submit(told.read(1));
            driver.log();
            driver.complete(Status.OK);
            assertThat(driver.log()).containsExactly("READ 10");
            for (int i = 0; i < 6; i++) {
                driver.complete(Status.OK);
            }
            assertThat(told.ends()).containsExactlyInAnyOrder(Told.ok(1), Told.ok(10), Told.ok(11), Told.ok(12),
                    Told.ok(13), Told.ok(14));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void whatACompletionSubmitsInvalidlyIsRefusedThere() {
        try (Disk disk = driver.disk()) {
            List<Class<?>> thrown = new ArrayList<>();
            disk.submit(told.read(0).onEnd(_ -> {
                for (long sector : new long[]{-1, 1L << 40}) {
                    try {
                        disk.submit(told.read(sector));
                    } catch (RuntimeException e) {
                        thrown.add(e.getClass());
                    }
                }
            }));
            driver.complete(Status.OK);
            assertThat(thrown).containsExactly(IllegalArgumentException.class, IndexOutOfBoundsException.class);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aNowaitBioEndsWithAgainWhereThereIsNoTag() {
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(0));
            disk.submit(told.read(1).flags(Bio.NOWAIT));
            assertThat(told.ends()).containsExactly("READ 1 AGAIN");
            driver.completeAll();
            disk.submit(told.read(2).flags(Bio.NOWAIT));
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(2));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aNowaitBioThatACompletionSubmitsEndsWithAgainToo() {
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(0).onEnd(_ -> {
                disk.submit(told.read(1).flags(Bio.NOWAIT));
                disk.submit(told.read(2).flags(Bio.NOWAIT));
            }));
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 2 AGAIN");
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(1));
        }
    }

    @Test
    void aBatchCompletesLikeTheRequestItself() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0));
            disk.submit(told.read(1));
            List<Request> requests = driver.inFlight();
            try (CompletionBatch batch = CompletionBatch.open()) {
                batch.complete(requests.get(0), Status.OK);
                batch.complete(requests.get(1), Status.MEDIUM);
                // Once more: too late.
                batch.complete(requests.get(0), Status.IOERR);
            }
            assertThat(told.ends()).containsExactly(Told.ok(0), "READ 1 MEDIUM");
            assertThat(disk.queue().strayCompletions()).isOne();
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(disk.statistics().ios(IoGroup.READ)).isEqualTo(2);
        }
    }

    @Test
    void aBatchLeavesADriverItsHalfOfTheCompletion() {
        List<Request> completed = new ArrayList<>();
        RecordingDriver own = new RecordingDriver() {
            @Override
            public void complete(Request rq) {
                completed.add(rq);
            }
        };
        try (Disk disk = own.disk()) {
            disk.submit(told.read(0));
            Request rq = own.inFlight().getFirst();
            try (CompletionBatch batch = CompletionBatch.open()) {
                batch.complete(rq, Status.OK);
            }
            assertThat(told.ends()).isEmpty();
            assertThat(completed).containsExactly(rq);
            rq.end(Status.MEDIUM);
            assertThat(told.ends()).containsExactly("READ 0 MEDIUM");
        }
    }

    @Test
    void completionsOfABurstAreToldBeforeWhatTheySubmitGoesDown() {
        try (Disk disk = driver.disk()) {
            List<String> order = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                int number = i;
                disk.submit(told.read(i).onEnd(_ -> {
                    order.add("told " + number);
                    disk.submit(told.read(10 + number));
                }));
            }
            driver.log();
            try (CompletionBatch _ = CompletionBatch.open()) {
                driver.complete(Status.OK);
                driver.complete(Status.OK);
                driver.complete(Status.OK);
                assertThat(driver.log()).isEmpty();
            }
            assertThat(order).containsExactly("told 0", "told 1", "told 2");
            assertThat(driver.log()).containsExactly("READ 10 more", "READ 11 more", "READ 12");
            driver.completeAll();
        }
    }

    @Test
    void threadsWhoseIdsCollideDoNotDisturbEachOther() {
        // Of 600 threads more than two share each of the slots.
        Disk disk = driver.depth(64).completesAtOnce().disk();
        AtomicInteger ended = new AtomicInteger();
        Eventually.together(600, true, number -> {
            for (int i = 0; i < 50; i++) {
                int again = i;
                Bio bio = told.read(number % 8);
                disk.submit(bio.onEnd(done -> {
                    ended.incrementAndGet();
                    if (again % 2 == 0) {
                        disk.submit(done.onEnd(_ -> ended.incrementAndGet()));
                    }
                }));
                Eventually.letOthersRun();
            }
        });
        assertThat(ended.get()).isEqualTo(600 * 75);
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }
}
