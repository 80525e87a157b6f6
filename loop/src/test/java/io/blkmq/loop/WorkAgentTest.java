package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.loop.work.Work;
import io.blkmq.loop.work.WorkQueue;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AgentInvoker;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.CompositeAgent;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The workers of a device that the application runs in duty cycles of its own. */
@Timeout(300)
@NoRescues
class WorkAgentTest {
    private static final int BYTES = 1 << 20;

    @TempDir
    private Path directory;

    private final List<Agent> agents = new ArrayList<>();

    private LoopConfig.Builder buffered(int workers) throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[BYTES]);
        return LoopConfig.builder(image).direct(false).workers(workers).workerRunner(agents::add);
    }

    private static AgentInvoker invoker(Agent agent) {
        AgentInvoker invoker = new AgentInvoker(failure -> {
            throw new AssertionError(failure);
        }, null, agent);
        invoker.start();
        return invoker;
    }

    @Test
    void deviceHandsItsWorkersOutAndStartsNoThread() throws Exception {
        try (LoopDevice device = LoopDevice.attach(buffered(3).build()); Arena arena = Arena.ofShared()) {
            assertThat(agents).hasSize(3).extracting(Agent::roleName).doesNotHaveDuplicates();
            CompletableFuture<?> read = device.disk().async().read(0, arena.allocate(4096));
            assertThat(device.workQueue().workers()).as("threads of its own, which would read").isZero();
            assertThat(read).isNotDone();
            AgentInvoker invoker = invoker(new CompositeAgent(agents));
            int done = 0;
            while (!read.isDone()) {
                done += invoker.invoke();
            }
            assertThat(done).isEqualTo(1);
            assertThat(device.workQueue().workers()).isZero();
        }
    }

    @Test
    void runnersOfTheApplicationServeManyThreads() throws Exception {
        try (LoopDevice device = LoopDevice.attach(buffered(2).build()); Arena arena = Arena.ofShared()) {
            List<AgentRunner> runners = new ArrayList<>();
            for (Agent agent : agents) {
                AgentRunner runner = new AgentRunner(new BackoffIdleStrategy(), failure -> {
                    throw new AssertionError(failure);
                }, null, agent);
                Thread _ = AgentRunner.startOnThread(runner);
                runners.add(runner);
            }
            List<Thread> threads = new ArrayList<>();
            AtomicInteger read = new AtomicInteger();
            for (int t = 0; t < 4; t++) {
                int number = t;
                threads.add(Thread.startVirtualThread(() -> {
                    MemorySegment memory = arena.allocate(4096);
                    for (int i = 0; i < 200; i++) {
                        try {
                            device.disk().write((number * 64L + i % 64) * 4096, memory.fill((byte) i));
                            device.disk().read((number * 64L + i % 64) * 4096, memory);
                        } catch (java.io.IOException e) {
                            throw new AssertionError(e);
                        }
                        read.getAndIncrement();
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(read).hasValue(800);
            runners.forEach(AgentRunner::close);
        }
    }

    @Test
    void deviceClosesWithWorkInItsQueueAndNobodyToRunTheWorkers() throws Exception {
        LoopDevice device = LoopDevice.attach(buffered(1).build());
        try (Arena arena = Arena.ofShared()) {
            List<CompletableFuture<?>> reads = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                reads.add(device.disk().async().read(i * 4096L, arena.allocate(4096)));
            }
            device.close();
            assertThat(reads).allMatch(CompletableFuture::isDone);
            assertThat(invoker(agents.getFirst()).invoke()).as("after the end").isZero();
            device.close();
        }
    }

    @Test
    void threadThatRunsTheWorkersMayChangeAndDetach() throws Exception {
        try (LoopDevice device = LoopDevice.attach(buffered(1).build()); Arena arena = Arena.ofShared()) {
            AgentInvoker invoker = invoker(agents.getFirst());
            CompletableFuture<?> first = device.disk().async().read(0, arena.allocate(4096));
            device.setBlockBytes(4096);
            assertThat(first).isDone();
            CompletableFuture<?> second = device.disk().async().read(0, arena.allocate(4096));
            device.detach();
            assertThat(second).isDone();
            assertThat(invoker.invoke()).isZero();
        }
    }

    @Test
    void stopWaitsForAnAgentThatIsAtWork() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        AtomicInteger ran = new AtomicInteger();
        WorkQueue queue = new WorkQueue(IoRuntime.system(), "test", 1, first -> {}, agents::add);
        Thread runner = new Thread(() -> {
            int _ = invoker(agents.getFirst()).invoke();
        });
        queue.add(new Work() {
            @Override
            public void run() {
                begun.countDown();
                try {
                    mayEnd.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                ran.getAndIncrement();
            }
        });
        queue.wake();
        runner.start();
        begun.await();
        queue.add(new Work() {
            @Override
            public void run() {
                ran.getAndIncrement();
                mayEnd.countDown();
            }
        });
        queue.stop();
        assertThat(ran).hasValue(2);
        runner.join();
        assertThatThrownBy(() -> queue.add(new Work() {
            @Override
            public void run() {
                throw new AssertionError("after the end");
            }
        })).isInstanceOf(IllegalStateException.class).hasMessageContaining("test");
    }

    @Test
    void secondThreadThatRunsAWorkerIsToldWhoDoes() throws Exception {
        try (LoopDevice _ = LoopDevice.attach(buffered(1).build())) {
            Agent agent = agents.getFirst();
            assertThat(agent.doWork()).isZero();
            AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
            Thread second = new Thread(() -> {
                try {
                    int _ = agent.doWork();
                } catch (Throwable t) {
                    thrown.set(t);
                }
            }, "the-second");
            second.start();
            second.join();
            assertThat(thrown.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("the-second")
                    .hasMessageContaining(Thread.currentThread().getName());
            agent.onClose();
            AtomicInteger done = new AtomicInteger(-1);
            Thread third = new Thread(() -> done.set(invoker(agent).invoke()));
            third.start();
            third.join();
            assertThat(done).hasValue(0);
        }
    }
}
