package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.EachCase;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AgentInvoker;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.CompositeAgent;
import org.agrona.concurrent.IdleStrategy;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** An engine whose completions are called by an agent that the application runs: how it is run, and how it ends. */
@Timeout(120)
class AgentTest {

    private static final int BLOCK = 4096;
    private static final int BLOCKS = 64;

    private final String name;
    private final Arena arena = Arena.ofShared();
    private Path path;
    private AioEngine engine;
    private AioFile file;

    static List<String> cases() {
        return AioEngines.providers().stream().map(AioEngineProvider::name).toList();
    }

    @SuppressWarnings("NullAway.Init")
    AgentTest(String name) {
        this.name = name;
    }

    @BeforeEach
    void open() throws IOException {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), name + " is not available");
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "blkmq-agent", ".img");
        Files.write(path, new byte[BLOCKS * BLOCK]);
        engine = AioEngines.open(name, AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build());
        file = engine.open(path, AioFile.Access.READ_WRITE, false);
    }

    @AfterEach
    void close() throws IOException {
        if (engine != null) {
            engine.close();
            file.close();
            Files.delete(path);
        }
        arena.close();
    }

    private void submit(AioCompletion told, int count) {
        for (int i = 0; i < count; i++) {
            MemorySegment memory = arena.allocate(BLOCK, BLOCK);
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, (long) (i % BLOCKS) * BLOCK, told, i).addSegment(memory)))
                    .isZero();
        }
        engine.commit();
    }

    private static AgentInvoker invoker(Agent agent) {
        AgentInvoker invoker = new AgentInvoker(failure -> {
            throw new AssertionError(failure);
        }, null, agent);
        invoker.start();
        return invoker;
    }

    @EachCase
    void nobodyButTheAgentCallsCompletionsAndItSaysHowMany() {
        AtomicReference<@Nullable Thread> teller = new AtomicReference<>();
        Told told = new Told();
        submit((userData, result) -> {
            teller.set(Thread.currentThread());
            told.complete(userData, result);
        }, 100);
        assertThat(engine.poll()).isZero();
        assertThat(engine.await(TimeUnit.SECONDS.toNanos(1))).as("it is not this thread's to wait").isZero();
        assertThat(told.results).isEmpty();
        AgentInvoker invoker = invoker(engine.agent());
        int sum = 0;
        while (told.results.size() < 100) {
            sum += invoker.invoke();
        }
        assertThat(sum).isEqualTo(100);
        assertThat(told.results.values()).containsOnly((long) BLOCK);
        assertThat(teller.get()).isEqualTo(Thread.currentThread());
        assertThat(engine.statistics().inFlight()).isZero();
        assertThat(invoker.invoke()).isZero();
        assertThat(engine.agent()).isSameAs(engine.agent());
        assertThat(engine.agent().roleName()).contains(name);
    }

    @EachCase
    void agentRunsInACycleOfTheApplicationWithOthers() throws IOException {
        AioEngine second = AioEngines.open(name,
                AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build());
        try (AioFile secondFile = second.open(path, AioFile.Access.READ_ONLY, false)) {
            AgentInvoker invoker = invoker(new CompositeAgent(engine.agent(), second.agent()));
            Told first = new Told();
            Told other = new Told();
            submit(first, 10);
            MemorySegment memory = arena.allocate(BLOCK, BLOCK);
            assertThat(second.submit(Kiocb.withSegments(1).prepareRead(secondFile, 0, other, 1).addSegment(memory)))
                    .isZero();
            second.commit();
            while (first.results.size() + other.results.size() < 11) {
                int _ = invoker.invoke();
            }
            second.close();
            first = new Told();
            submit(first, 10);
            while (first.results.size() < 10) {
                // The agent of a closed engine has nothing to do, and costs the others nothing.
                int _ = invoker.invoke();
            }
        }
    }

    @EachCase
    void runnerWithAnIdleStrategyServesAnyNumberOfThreads() throws Exception {
        IdleStrategy idle = new BackoffIdleStrategy(10, 10, 1000, 100_000);
        try (AgentRunner runner = new AgentRunner(idle, failure -> {
            throw new AssertionError(failure);
        }, null, engine.agent())) {
            Thread _ = AgentRunner.startOnThread(runner);
            List<Told> tolds = List.of(new Told(), new Told(), new Told());
            List<Thread> threads = tolds.stream().map(told -> Thread.startVirtualThread(() -> submit(told, 200)))
                    .toList();
            for (Thread thread : threads) {
                thread.join();
            }
            for (Told told : tolds) {
                for (int i = 0; i < 200; i++) {
                    told.awaitOne();
                }
                assertThat(told.results.values()).containsOnly((long) BLOCK);
            }
        }
    }

    @EachCase
    void closeTellsWhatIsInFlightIfNobodyRunsTheAgent() {
        Told told = new Told();
        submit(told, 100);
        engine.close();
        assertThat(told.results).hasSize(100);
        assertThat(told.results.values()).containsOnly((long) BLOCK);
    }

    @EachCase
    void threadThatRunsTheAgentMayClose() throws Exception {
        AgentInvoker invoker = invoker(engine.agent());
        Told told = new Told();
        submit(told, 100);
        int _ = invoker.invoke();
        engine.close();
        assertThat(told.results).hasSize(100);
        assertThat(invoker.invoke()).as("after the end").isZero();
        invoker.close();
    }

    @EachCase
    void engineMayBeClosedWhileItsAgentIsRunAndTheAgentClosedAfterwards() throws Exception {
        for (int round = 0; round < 20; round++) {
            Thread agent = AgentThread.run(engine);
            Told told = new Told();
            submit(told, 50);
            engine.close();
            assertThat(told.results).hasSize(50);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
            agent.join();
            engine = AioEngines.open(name, AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build());
        }
    }

    @EachCase
    void agentMayBeClosedFirstAndRunByAnotherThreadAfterwards() throws Exception {
        AgentInvoker first = invoker(engine.agent());
        Told told = new Told();
        submit(told, 30);
        int _ = first.invoke();
        first.close();
        Thread second = new Thread(() -> {
            AgentInvoker invoker = invoker(engine.agent());
            while (told.results.size() < 30) {
                int _ = invoker.invoke();
            }
            invoker.close();
        });
        second.start();
        second.join();
        assertThat(told.results.values()).containsOnly((long) BLOCK);
    }

    @EachCase
    void secondThreadThatRunsTheAgentIsToldWhoDoes() throws Exception {
        assertThat(engine.agent().doWork()).isZero();
        AtomicReference<@Nullable Throwable> thrown = new AtomicReference<>();
        Thread second = new Thread(() -> {
            try {
                int _ = engine.agent().doWork();
            } catch (Throwable t) {
                thrown.set(t);
            }
        }, "the-second");
        second.start();
        second.join();
        assertThat(thrown.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("the-second")
                .hasMessageContaining(Thread.currentThread().getName()).hasMessageContaining(name);
    }

    @EachCase
    void agentInsideACompletionDoesNothingAndTheEngineCannotBeClosedThere() throws Exception {
        AtomicReference<@Nullable Throwable> refused = new AtomicReference<>();
        AtomicReference<@Nullable Integer> inside = new AtomicReference<>();
        CountDownLatch told = new CountDownLatch(1);
        submit((_, _) -> {
            try {
                inside.set(engine.agent().doWork());
                engine.close();
            } catch (Exception e) {
                refused.set(e);
            }
            told.countDown();
        }, 1);
        AgentInvoker invoker = invoker(engine.agent());
        while (told.getCount() > 0) {
            int _ = invoker.invoke();
        }
        assertThat(inside.get()).isZero();
        assertThat(refused.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("completion");
    }

    @EachCase
    void otherModesHaveNoAgent() throws IOException {
        for (CompletionMode mode : List.of(CompletionMode.POLLED, CompletionMode.REAPER)) {
            try (AioEngine other = AioEngines.open(name, AioEngineConfig.builder().completionMode(mode).build())) {
                assertThatThrownBy(other::agent).isInstanceOf(IllegalStateException.class).hasMessageContaining(name)
                        .hasMessageContaining(mode.name());
            }
        }
    }

    @EachCase
    void ringOfTheReaperNeedsOne() {
        assertThatThrownBy(() -> AioEngineConfig.builder().completionMode(CompletionMode.AGENT)
                .ringEntry(RingEntry.REAPER).build()).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("AGENT");
    }
}
