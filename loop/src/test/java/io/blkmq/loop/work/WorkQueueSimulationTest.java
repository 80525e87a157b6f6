package io.blkmq.loop.work;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The work queue's threads, in every order that a seed can choose. */
@NoRescues
class WorkQueueSimulationTest {
    private static final int SUBMITTERS = 3;
    private static final int OPERATIONS = 24;

    /** What a submitter does: adds so many that take so long each, wakes, and waits for them or not. */
    private record Batch(int submitter, int count, int nanos, boolean waits) {}

    private static List<Batch> batches(RandomGenerator random) {
        List<Batch> batches = new ArrayList<>();
        for (int i = 0; i < OPERATIONS; i++) {
            int nanos = random.nextInt(3) == 0 ? random.nextInt(50_000) : 0;
            batches.add(new Batch(random.nextInt(SUBMITTERS), 1 + random.nextInt(6), nanos, random.nextBoolean()));
        }
        return batches;
    }

    /** A queue, and what was done. All of it is guarded by the baton. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final int workers;
        private final WorkQueue queue;
        private int added;
        private int running;
        private int mostRunning;
        private final List<Job> done = new ArrayList<>();
        private final List<Integer> reports = new ArrayList<>();

        private final class Job extends Work {
            private final int number = added++;
            private final int nanos;
            /** How many of its batch are not reported yet. */
            private final int[] left;
            private int runs;

            Job(int nanos, int[] left) {
                this.nanos = nanos;
                this.left = left;
            }

            @Override
            public void run() {
                runs++;
                mostRunning = Math.max(mostRunning, ++running);
                if (nanos > 0) {
                    runtime.sleep(nanos);
                } else {
                    runtime.switchPoint();
                }
                running--;
            }

            @Override
            public boolean isSlow() {
                return nanos > 25_000;
            }
        }

        Users(DeterministicRuntime runtime, int workers) {
            this.runtime = runtime;
            this.workers = workers;
            this.queue = new WorkQueue(runtime, "test", workers, this::report);
        }

        private void report(Work first) {
            int count = 0;
            for (Work work = first; work != null; count++) {
                Work following = work.next;
                work.next = null;
                Job job = (Job) work;
                done.add(job);
                job.left[0]--;
                work = following;
            }
            reports.add(count);
            runtime.switchPoint();
        }

        void run(List<Batch> batches) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < SUBMITTERS; i++) {
                int number = i;
                threads.add(runtime.spawn("submitter " + i,
                        () -> batches.stream().filter(batch -> batch.submitter == number).forEach(this::submit)));
            }
            threads.forEach(runtime::join);
            // Before the stop, which would wake those that sleep beside what there is to do.
            runtime.await("everything is reported", () -> done.size() == added);
            queue.stop();
            assertThat(done).doesNotHaveDuplicates().hasSize(added).allMatch(job -> job.runs == 1);
            assertThat(mostRunning).isLessThanOrEqualTo(workers);
            assertThat(reports).allMatch(count -> count >= 1 && count <= WorkQueue.REPORT_MAX);
        }

        private void submit(Batch batch) {
            int[] left = {batch.count};
            List<Job> jobs = new ArrayList<>();
            for (int i = 0; i < batch.count; i++) {
                jobs.add(new Job(batch.nanos, left));
            }
            for (Job job : jobs) {
                queue.add(job);
                runtime.switchPoint();
            }
            queue.wake();
            if (batch.waits) {
                runtime.await("a batch is reported", () -> left[0] == 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void everythingIsDoneOnceByNoMoreWorkersThanThereMayBe(int workers) {
        RandomPrograms.Tally tally = new RandomPrograms<>(RandomSeed.replay(WorkQueueSimulationTest.class),
                RandomSeed.next(WorkQueueSimulationTest.class), WorkQueueSimulationTest::batches,
                (runtime, batches) -> new Users(runtime, workers).run(batches)).programs(300).check();
        assertThat(tally.switches()).isPositive();
    }

    @Test
    void oneWorkerReportsQuickCommandsTogetherAndInOrder() {
        SimulationOptions timeless = SimulationOptions.DEFAULT.withStepNanosMax(0);
        var _ = DeterministicRuntime.run(1, timeless, runtime -> {
            Users users = new Users(runtime, 1);
            // The first is slow, so that the others are there together.
            users.submit(new Batch(0, 1, 50_000, false));
            runtime.sleep(10_000);
            users.submit(new Batch(0, 2 * WorkQueue.REPORT_MAX + 1, 0, true));
            users.queue.stop();
            assertThat(users.reports).containsExactly(1, WorkQueue.REPORT_MAX, WorkQueue.REPORT_MAX, 1);
            assertThat(users.done).extracting(job -> job.number).isSorted();
        });
    }

    @Test
    void whatHasTakenLongIsReportedBeforeTheNext() {
        SimulationOptions timeless = SimulationOptions.DEFAULT.withStepNanosMax(0);
        var _ = DeterministicRuntime.run(1, timeless, runtime -> {
            Users users = new Users(runtime, 1);
            users.submit(new Batch(0, 1, 50_000, false));
            runtime.sleep(10_000);
            users.submit(new Batch(0, 6, (int) WorkQueue.REPORT_NANOS_MAX / 2, true));
            users.queue.stop();
            assertThat(users.reports).containsExactly(1, 2, 2, 2);
        });
    }

    private static void forSeeds(int count, LongConsumer program) {
        for (long seed = 1; seed <= count; seed++) {
            program.accept(seed);
        }
    }

    /** One at work, and one that watches. */
    @Test
    void quickCommandsAreOneWorkers() {
        SimulationOptions timeless = SimulationOptions.DEFAULT.withStepNanosMax(0);
        forSeeds(50, seed -> {
            var _ = DeterministicRuntime.run(seed, timeless, runtime -> {
                Users users = new Users(runtime, 8);
                users.submit(new Batch(0, 200, 10_000, true));
                assertThat(users.mostRunning).isEqualTo(1);
                assertThat(users.queue.workers()).isLessThanOrEqualTo(2);
                users.queue.stop();
            });
        });
    }

    /** The watcher's pause is long by then. */
    @Test
    void whatIsAddedWhenNobodyButTheWatcherIsAwakeBeginsAtOnce() {
        SimulationOptions timeless = SimulationOptions.DEFAULT.withStepNanosMax(0);
        forSeeds(200, seed -> {
            var _ = DeterministicRuntime.run(seed, timeless, runtime -> {
                Users users = new Users(runtime, 4);
                users.submit(new Batch(0, 200, 40_000, true));
                runtime.sleep(10_000);
                long began = runtime.nanoTime();
                users.submit(new Batch(0, 1, 10_000, true));
                assertThat(runtime.nanoTime() - began).isLessThan(WorkQueue.SLOW_NANOS);
                users.queue.stop();
            });
        });
    }

    @Test
    void aCommandThatDoesNotEndHoldsUpNoOthers() {
        SimulationOptions timeless = SimulationOptions.DEFAULT.withStepNanosMax(0);
        forSeeds(50, seed -> {
            var _ = DeterministicRuntime.run(seed, timeless, runtime -> {
                Users users = new Users(runtime, 4);
                users.submit(new Batch(0, 1, 1_000_000_000, false));
                runtime.sleep(1);
                long began = runtime.nanoTime();
                users.submit(new Batch(0, 6, 0, true));
                assertThat(runtime.nanoTime() - began).isLessThan(4 * WorkQueue.SLOW_NANOS);
                users.queue.stop();
            });
        });
    }

    @Test
    void aWorkerIsStartedOnlyWhenTheOthersAreBusy() {
        var _ = DeterministicRuntime.run(1, runtime -> {
            Users users = new Users(runtime, 4);
            for (int i = 0; i < 10; i++) {
                users.submit(new Batch(0, 1, 0, true));
                runtime.sleep(100_000);
            }
            assertThat(users.queue.workers()).isEqualTo(1);
            for (int i = 0; i < 10; i++) {
                users.submit(new Batch(0, 1, 1_000_000, false));
            }
            runtime.sleep(500_000);
            assertThat(users.queue.workers()).isEqualTo(4);
            users.queue.stop();
            assertThat(users.mostRunning).isEqualTo(4);
        });
    }
}
