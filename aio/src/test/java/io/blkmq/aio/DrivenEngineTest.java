package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.agrona.concurrent.Agent;
import org.junit.jupiter.api.Test;

/** What a driver of another module may rely on, beyond the contract of its engine. */
class DrivenEngineTest {

    /** Says whether it was called after its end. */
    private static final class Watched implements EngineDriver {
        private final ArrayDriver driver = new ArrayDriver();
        private final AtomicBoolean closed = new AtomicBoolean();
        private final AtomicBoolean called = new AtomicBoolean();

        @Override
        public String name() {
            return driver.name();
        }

        @Override
        public Set<AioOperation> operations() {
            return driver.operations();
        }

        @Override
        public Class<? extends DrivenFile> files() {
            return driver.files();
        }

        @Override
        public AioFile open(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options)
                throws IOException {
            return driver.open(path, access, direct, options);
        }

        @Override
        public void begin(Kiocb kiocb) {
            driver.begin(kiocb);
        }

        @Override
        public void reap(Ended to) {
            called.compareAndSet(false, closed.get());
            driver.reap(to);
        }

        @Override
        public void await(long timeoutNanos) {
            called.compareAndSet(false, closed.get());
            driver.await(timeoutNanos);
        }

        @Override
        public void wake() {
            driver.wake();
        }

        @Override
        public void hasten() {
            driver.hasten();
        }

        @Override
        public void close() {
            closed.set(true);
            driver.close();
        }
    }

    @Test
    void anAgentThatGoesOnDoesNotCallADriverThatIsClosed() throws Exception {
        Watched driver = new Watched();
        Path path = ArrayDriver.make(new byte[4096]);
        try (Arena arena = Arena.ofShared()) {
            AioEngine engine = AioEngines.drive(driver,
                    AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build());
            Agent agent = engine.agent();
            long[] told = new long[1];
            try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (_, result) -> told[0] = result, 0)
                        .addSegment(arena.allocate(512)))).isZero();
                engine.commit();
                while (told[0] == 0) {
                    int _ = agent.doWork();
                }
            }
            engine.close();
            assertThat(told[0]).isEqualTo(512);
            assertThat(driver.closed).isTrue();
            assertThat(agent.doWork()).isZero();
            assertThat(driver.called).as("called after its end").isFalse();
        } finally {
            ArrayDriver.remove(path);
        }
    }
}
