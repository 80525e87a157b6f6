package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A buffered device on a file in memory, in every order that a seed can choose. */
@NoRescues
class BufferedSimulationTest {
    private static final int USERS = 3;
    private static final int OPERATIONS = 20;
    private static final int BLOCK_BYTES = 512;
    /** Each user has blocks of its own: those whose number is its own modulo the number of users. */
    private static final int BLOCKS_OF_USER = 8;
    private static final int DEPTH = 4;

    @TempDir
    private Path directory;
    private Path image;

    /** What a user can do. */
    private enum Kind {
        WRITE, READ, PLUG, FLUSH, FUA, FREEZE, SWITCH, DISCARD
    }

    private record Step(int user, Kind kind, int block, int count) {}

    @BeforeEach
    void makeImage() throws IOException {
        image = Files.write(directory.resolve("image"), new byte[USERS * BLOCKS_OF_USER * BLOCK_BYTES]);
    }

    private static List<Step> steps(RandomGenerator random, int users) {
        List<Step> steps = new ArrayList<>();
        for (int i = 0; i < OPERATIONS; i++) {
            Kind kind = Kind.values()[random.nextInt(Kind.values().length)];
            steps.add(new Step(random.nextInt(users), kind, random.nextInt(BLOCKS_OF_USER), 1 + random.nextInt(6)));
        }
        return steps;
    }

    /** One user of a device: knows what its blocks have to be. */
    private static final class User {
        private final DeterministicRuntime runtime;
        private final LoopDevice device;
        private final Disk disk;
        private final int number;
        private final MemorySegment memory;
        private final long[] expected = new long[BLOCKS_OF_USER];
        private long values;
        private int inFlight;
        private final List<String> wrong = new ArrayList<>();

        User(DeterministicRuntime runtime, LoopDevice device, int number, MemorySegment memory) {
            this.runtime = runtime;
            this.device = device;
            this.disk = device.disk();
            this.number = number;
            this.memory = memory;
        }

        void carryOut(Step step) throws IOException {
            switch (step.kind) {
                case WRITE -> disk.write(offset(step.block), nextValue(step.block), 0);
                case FUA -> disk.write(offset(step.block), nextValue(step.block), Bio.FUA);
                case READ -> {
                    MemorySegment read = slice(step.block);
                    disk.read(offset(step.block), read);
                    check(step.block, read);
                }
                case PLUG -> plug(step);
                case FLUSH -> disk.flush();
                case FREEZE -> {
                    disk.freeze();
                    runtime.switchPoint();
                    disk.unfreeze();
                }
                // Transfers go to the engine, or back to the work queue. A polled engine is for platform threads.
                case SWITCH -> device.setAio(step.count % 2 == 0 && !device.parameters().isPolled());
                case DISCARD -> {
                    disk.discard(offset(step.block), BLOCK_BYTES);
                    expected[step.block] = 0;
                }
            }
        }

        /** Writes some blocks, reads others, and waits for all. */
        private void plug(Step step) {
            try (Plug plug = disk.plug()) {
                for (int i = 0; i < step.count; i++) {
                    int block = (step.block + i) % BLOCKS_OF_USER;
                    boolean writes = i % 2 == 0;
                    MemorySegment data = writes ? nextValue(block) : slice(block);
                    Bio bio = new Bio(1).reset(writes ? Operation.WRITE : Operation.READ, offset(block) / BLOCK_BYTES)
                            .add(data).flags(Bio.CALLER_MEMORY);
                    inFlight++;
                    plug.submit(bio.onEnd(ended -> {
                        if (ended.status() != Status.OK) {
                            wrong.add(ended + " ended with " + ended.status());
                        } else if (!writes) {
                            check(block, data);
                        }
                        inFlight--;
                        runtime.switchPoint();
                    }));
                }
            }
            runtime.await("what was plugged ends", () -> {
                disk.poll();
                return inFlight == 0;
            });
        }

        private long offset(int block) {
            return (long) (block * USERS + number) * BLOCK_BYTES;
        }

        private MemorySegment slice(int block) {
            return memory.asSlice((long) (block * USERS + number) * BLOCK_BYTES, BLOCK_BYTES);
        }

        private MemorySegment nextValue(int block) {
            expected[block] = ++values << 8 | number;
            MemorySegment data = slice(block);
            for (int at = 0; at < BLOCK_BYTES; at += Long.BYTES) {
                data.set(ValueLayout.JAVA_LONG_UNALIGNED, at, expected[block]);
            }
            return data;
        }

        private void check(int block, MemorySegment read) {
            for (int at = 0; at < BLOCK_BYTES; at += Long.BYTES) {
                long found = read.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
                if (found != expected[block]) {
                    wrong.add("block " + block + " of user " + number + " has " + found + " at " + at + ", not "
                            + expected[block]);
                    return;
                }
            }
        }
    }

    private void use(DeterministicRuntime runtime, List<Step> steps, int workers, boolean polled) throws IOException {
        int users = users(polled);
        try (IoBuffer buffer = IoBuffer.allocate((long) USERS * BLOCKS_OF_USER * BLOCK_BYTES);
                LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).engine("memory").direct(false)
                        .polled(polled).depth(DEPTH).workers(workers).runtime(runtime).build())) {
            List<User> all = new ArrayList<>();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < users; i++) {
                User user = new User(runtime, device, i, buffer.memory());
                all.add(user);
                threads.add(runtime.spawn("user " + i, () -> {
                    for (Step step : steps) {
                        if (step.user == user.number) {
                            user.carryOut(step);
                        }
                    }
                    for (int block = 0; block < BLOCKS_OF_USER; block++) {
                        user.carryOut(new Step(user.number, Kind.READ, block, 1));
                    }
                }));
            }
            threads.forEach(runtime::join);
            assertThat(all).allSatisfy(user -> assertThat(user.wrong).isEmpty());
            // A caller is told before its tag is back.
            device.disk().freeze();
            assertThat(device.disk().queue().heldTags()).isZero();
            device.disk().unfreeze();
            assertThat(device.disk().queue().strayCompletions()).isZero();
        }
    }

    /** What is polled belongs to one thread. */
    private static int users(boolean polled) {
        return polled ? 1 : USERS;
    }

    @ParameterizedTest
    @CsvSource({"1, false", "3, false", "1, true", "3, true"})
    void everyBlockHasWhatWasWrittenLastAndEveryRequestEnds(int workers, boolean polled) {
        RandomPrograms.Tally tally = new RandomPrograms<>(RandomSeed.replay(BufferedSimulationTest.class),
                RandomSeed.next(BufferedSimulationTest.class), random -> steps(random, users(polled)),
                (runtime, steps) -> use(runtime, steps, workers, polled)).programs(200).check();
        assertThat(tally.switches()).isPositive();
    }
}
