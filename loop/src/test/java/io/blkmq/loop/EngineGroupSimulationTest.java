package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioFlag;
import io.blkmq.aio.AioOperation;
import io.blkmq.aio.AioStatistics;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.Kiocb;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Devices that come and go at once, and the engines that they share, in every order that a seed can choose. */
@NoRescues
class EngineGroupSimulationTest {
    private static final int THREADS = 3;
    private static final int OPERATIONS = 24;

    /** A device of so many hardware queues comes, stays, and goes. */
    private record Life(int thread, int queues, int nanos, boolean given, boolean kills, boolean refused) {}

    private static List<Life> lives(RandomGenerator random) {
        List<Life> lives = new ArrayList<>();
        for (int i = 0; i < OPERATIONS; i++) {
            lives.add(new Life(random.nextInt(THREADS), 1 + random.nextInt(3), random.nextInt(40_000),
                    random.nextInt(4) == 0, random.nextInt(8) == 0, random.nextInt(8) == 0));
        }
        return lives;
    }

    /** The group, and what became of its engines. All of it is guarded by the baton. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final int enginesMax;
        private final EngineGroup group;
        private final List<Ring> rings = new ArrayList<>();
        private final Ring theirs = new Ring();
        private boolean refuses;

        /** An engine that can be opened, used, killed and closed, and does no I/O. */
        private final class Ring implements AioEngine {
            private int users;
            private int closed;
            private boolean dead;

            @Override
            public void close() {
                assertThat(users).as("users of an engine that is closed").isZero();
                runtime.sleep(5_000);
                assertThat(users).as("users of an engine that has been closed").isZero();
                closed++;
            }

            void use(int nanos) {
                users++;
                assertThat(closed).as("an engine is used after its end").isZero();
                runtime.sleep(nanos);
                assertThat(closed).as("an engine is closed while it is used").isZero();
                users--;
            }

            @Override
            public boolean isOpen() {
                return closed == 0 && !dead;
            }

            @Override
            public String name() {
                return "ring";
            }

            @Override
            public CompletionMode completionMode() {
                return CompletionMode.REAPER;
            }

            @Override
            public Set<AioOperation> operations() {
                return Set.of();
            }

            @Override
            public Set<AioFlag> flags() {
                return Set.of();
            }

            @Override
            public boolean hasPriorities() {
                return false;
            }

            @Override
            public boolean cancel(Kiocb kiocb) {
                return false;
            }

            @Override
            public boolean closeWithin(long timeoutNanos) {
                close();
                return true;
            }

            @Override
            public AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options) {
                throw new UnsupportedOperationException();
            }

            @Override
            public AioFile adopt(int descriptor, Path name) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void rename(Path from, Path to) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void delete(Path path) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void syncDirectory(Path directory) {
                throw new UnsupportedOperationException();
            }

            @Override
            public int submit(Kiocb kiocb) {
                throw new UnsupportedOperationException();
            }

            @Override
            public long run(Kiocb kiocb) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void wakeup() {
                throw new UnsupportedOperationException();
            }

            @Override
            public void commit() {}

            @Override
            public int poll() {
                return 0;
            }

            @Override
            public int await(long timeoutNanos) {
                return 0;
            }

            @Override
            public boolean registerMemory(MemorySegment slab) {
                return false;
            }

            @Override
            public boolean unregisterMemory(MemorySegment slab) {
                return false;
            }

            @Override
            public AioStatistics statistics() {
                throw new UnsupportedOperationException();
            }
        }

        Users(DeterministicRuntime runtime, int enginesMax) {
            this.runtime = runtime;
            this.enginesMax = enginesMax;
            this.group = new EngineGroup(enginesMax, (_, _, _) -> open(), runtime.newLock());
        }

        private AioEngine open() throws IOException {
            runtime.sleep(5_000);
            if (refuses) {
                throw new IOException("no descriptors left");
            }
            Ring ring = new Ring();
            rings.add(ring);
            assertThat(rings.stream().filter(one -> one.isOpen() && one.users > 0).count())
                    .as("engines in use when one more is opened").isLessThan(enginesMax);
            return ring;
        }

        void run(List<Life> lives) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int number = i;
                threads.add(runtime.spawn("user " + i,
                        () -> lives.stream().filter(life -> life.thread == number).forEach(this::live)));
            }
            threads.forEach(runtime::join);
            assertThat(group.size()).as("engines without a user").isZero();
            assertThat(rings).as("each is closed once").allMatch(ring -> ring.closed == 1);
            assertThat(theirs.closed).as("the application closes its own").isZero();
        }

        private void live(Life life) {
            refuses = life.refused;
            List<EngineLease> leases;
            try {
                leases = life.given ? List.of(group.use(theirs)) : group.acquire("ring", life.queues);
            } catch (IOException e) {
                return;
            }
            List<Thread> queues = new ArrayList<>();
            for (EngineLease lease : leases) {
                Ring ring = (Ring) lease.engine();
                queues.add(runtime.spawn("queue", () -> ring.use(life.nanos)));
            }
            if (life.kills && !life.given) {
                ((Ring) leases.getFirst().engine()).dead = true;
            }
            queues.forEach(runtime::join);
            for (EngineLease lease : leases) {
                Undo.part("device", "it goes", lease::release);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void anEngineIsOpenAsLongAsAnybodyUsesIt(int enginesMax) {
        RandomPrograms.Tally tally = new RandomPrograms<>(RandomSeed.replay(EngineGroupSimulationTest.class),
                RandomSeed.next(EngineGroupSimulationTest.class), EngineGroupSimulationTest::lives,
                (runtime, lives) -> new Users(runtime, enginesMax).run(lives)).programs(300).check();
        assertThat(tally.switches()).isPositive();
    }
}
