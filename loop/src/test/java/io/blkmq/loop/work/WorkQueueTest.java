package io.blkmq.loop.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
@NoRescues
class WorkQueueTest {
    private static final int COMMANDS = 200;

    /** What was reported, in order, and how many at a time. */
    private final List<Job> reported = Collections.synchronizedList(new ArrayList<>());
    private final List<Integer> reports = Collections.synchronizedList(new ArrayList<>());
    private final Semaphore ended = new Semaphore(0);

    private static final class Job extends Work {
        private final int number;
        private final Consumer<Job> what;
        private boolean slow;
        /** How often it ran. */
        private final AtomicInteger runs = new AtomicInteger();

        Job(int number, Consumer<Job> what) {
            this.number = number;
            this.what = what;
        }

        @Override
        public void run() {
            runs.incrementAndGet();
            what.accept(this);
        }

        @Override
        public boolean isSlow() {
            return slow;
        }
    }

    private WorkQueue queue(int workers) {
        return new WorkQueue(IoRuntime.system(), "test", workers, this::report);
    }

    private void report(Work first) {
        int count = 0;
        for (Work work = first; work != null; count++) {
            Work following = work.next;
            work.next = null;
            reported.add((Job) work);
            work = following;
        }
        reports.add(count);
        ended.release(count);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Adds all before a worker can take one, since the first keeps the only one busy. */
    private void addTogether(WorkQueue queue, List<Job> jobs) {
        CountDownLatch added = new CountDownLatch(1);
        queue.add(new Job(-1, _ -> await(added)));
        queue.wake();
        jobs.forEach(queue::add);
        added.countDown();
        queue.wake();
    }

    private static List<Job> jobs(int count, Consumer<Job> what) {
        return IntStream.range(0, count).mapToObj(number -> new Job(number, what)).toList();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void asManyCommandsRunAtOnceAsThereAreWorkersAndNeverMore(int workers) throws Exception {
        AtomicInteger running = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        CountDownLatch together = new CountDownLatch(workers);
        WorkQueue queue = queue(workers);
        for (Job job : jobs(COMMANDS, _ -> {
            most.accumulateAndGet(running.incrementAndGet(), Math::max);
            together.countDown();
            // The first ones wait for each other, which ends only if all workers are there.
            await(together);
            running.decrementAndGet();
        })) {
            queue.add(job);
            queue.wake();
        }
        ended.acquire(COMMANDS);
        queue.stop();
        assertThat(most).hasValue(workers);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void oneWakeAfterManyIsEnoughForAllWorkers(int workers) throws Exception {
        CountDownLatch together = new CountDownLatch(workers);
        WorkQueue queue = queue(workers);
        jobs(COMMANDS, _ -> {
            together.countDown();
            await(together);
        }).forEach(queue::add);
        queue.wake();
        ended.acquire(COMMANDS);
        queue.stop();
    }

    @Test
    void commandsThatAreAddedWhileAllWorkersAreInSlowOnesGetOneMore() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        WorkQueue queue = queue(3);
        for (int slow = 0; slow < 2; slow++) {
            CountDownLatch begun = new CountDownLatch(1);
            queue.add(new Job(slow, _ -> {
                begun.countDown();
                await(release);
            }));
            queue.wake();
            await(begun);
        }
        queue.add(new Job(2, _ -> {}));
        queue.wake();
        ended.acquire();
        assertThat(reported).extracting(job -> job.number).containsExactly(2);
        release.countDown();
        queue.stop();
        assertThat(reported).hasSize(3);
    }

    @Test
    void oneWorkerDoesCommandsAndReportsThemInTheOrderInWhichTheyWereAdded() {
        List<Integer> done = new ArrayList<>();
        WorkQueue queue = queue(1);
        addTogether(queue, jobs(COMMANDS, job -> done.add(job.number)));
        queue.stop();
        assertThat(done).isEqualTo(IntStream.range(0, COMMANDS).boxed().toList());
        assertThat(reported).extracting(job -> job.number).startsWith(-1).containsSubsequence(done)
                .hasSize(COMMANDS + 1);
    }

    @Test
    void noReportIsLongerThanItsLimit() {
        WorkQueue queue = queue(1);
        addTogether(queue, jobs(COMMANDS, _ -> {}));
        queue.stop();
        assertThat(reports).allMatch(count -> count <= WorkQueue.REPORT_MAX);
        assertThat(reported).hasSize(COMMANDS + 1);
    }

    @Test
    void whatWasDoneBeforeASlowCommandIsReportedBeforeThatBegins() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        List<Job> jobs = new ArrayList<>(jobs(3, _ -> {}));
        Job slow = new Job(3, _ -> await(release));
        slow.slow = true;
        jobs.add(slow);
        WorkQueue queue = queue(1);
        addTogether(queue, jobs);
        ended.acquire(4);
        assertThat(reported).extracting(job -> job.number).containsExactly(-1, 0, 1, 2);
        release.countDown();
        queue.stop();
        assertThat(reported).contains(slow);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void aStopDoesWhatIsThere(int workers) {
        WorkQueue queue = queue(workers);
        List<Job> jobs = jobs(COMMANDS, _ -> {});
        jobs.forEach(queue::add);
        queue.stop();
        assertThat(jobs).allSatisfy(job -> assertThat(job.runs).hasValue(1));
        assertThat(reported).containsExactlyInAnyOrderElementsOf(jobs);
    }

    @Test
    void aQueueThatNeverWorkedStopsAndTakesNothingThen() {
        WorkQueue queue = queue(2);
        queue.stop();
        assertThatThrownBy(() -> queue.add(new Job(0, _ -> {}))).isInstanceOf(IllegalStateException.class)
                .hasMessage("test is detached");
    }

    @Test
    void anInterruptOfAWorkerLosesNothing() throws Exception {
        WorkQueue queue = queue(1);
        queue.add(new Job(0, _ -> Thread.currentThread().interrupt()));
        queue.wake();
        ended.acquire();
        // That one is about to sleep with the interrupt, or does.
        List<Job> more = jobs(COMMANDS, _ -> {});
        for (Job job : more) {
            queue.add(job);
            queue.wake();
            ended.acquire();
        }
        queue.stop();
        assertThat(reported).containsAll(more);
    }

    @Test
    void aCommandThatThrowsIsReportedAndThoseAfterItAreDone() {
        WorkQueue queue = queue(1);
        List<Job> jobs = jobs(10, job -> {
            if (job.number == 3) {
                throw new AssertionError("a command of a test that fails");
            }
        });
        addTogether(queue, jobs);
        queue.stop();
        assertThat(reported).containsAll(jobs).hasSize(11);
        assertThat(jobs).allSatisfy(job -> assertThat(job.runs).hasValue(1));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void whatSeveralThreadsAddAndWakeForIsDoneOnceAndNobodySleepsBesideIt(int workers) throws Exception {
        int submitters = 3;
        int rounds = 2_000;
        WorkQueue queue = queue(workers);
        CyclicBarrier start = new CyclicBarrier(submitters);
        List<Job> all = Collections.synchronizedList(new ArrayList<>());
        List<Thread> threads = new ArrayList<>();
        for (int s = 0; s < submitters; s++) {
            int batch = 1 + s;
            threads.add(Thread.ofPlatform().start(() -> {
                try {
                    start.await();
                    for (int i = 0; i < rounds; i++) {
                        CountDownLatch done = new CountDownLatch(batch);
                        List<Job> jobs = jobs(batch, _ -> done.countDown());
                        all.addAll(jobs);
                        jobs.forEach(queue::add);
                        queue.wake();
                        // Ends only if some worker is awake.
                        done.await();
                    }
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        queue.stop();
        assertThat(all).hasSize(rounds * (1 + 2 + 3)).allSatisfy(job -> assertThat(job.runs).hasValue(1));
        assertThat(reported).hasSize(all.size());
        assertThat(new HashSet<>(reported)).isEqualTo(new HashSet<>(all));
    }
}
