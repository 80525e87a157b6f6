package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PromptDoorbellTest {
    private static final int DEPTH = 8;

    private final PromptDoorbell doorbell = new PromptDoorbell(true);

    /** How often it is due for so many operations. */
    private int dueFor(int operations) {
        return (int) IntStream.range(0, operations).filter(_ -> doorbell.isDue()).count();
    }

    @Test
    void isNotDueBeforeAnybodyHasWaited() {
        assertThat(dueFor(DEPTH)).isZero();
    }

    @Test
    void isDueForEverySecondOperationOfAnOwnerThatHasWaited() {
        doorbell.foundNothing(true);
        doorbell.found(DEPTH, DEPTH);
        assertThat(doorbell.isDue()).isFalse();
        assertThat(doorbell.isDue()).isTrue();
        assertThat(dueFor(DEPTH - 2)).isEqualTo(DEPTH / 2 - 1);
    }

    @Test
    void lastsForAsManyOperationsAsWereInFlight() {
        doorbell.foundNothing(true);
        doorbell.found(2, DEPTH);
        assertThat(dueFor(10 * DEPTH)).isEqualTo(DEPTH / 2);
    }

    @Test
    void lastsThroughCompletionsThatWereThereAtOnceAndEndsWithThem() {
        doorbell.foundNothing(true);
        doorbell.found(1, DEPTH);
        assertThat(dueFor(1)).as("a single one is followed by the doorbell anyhow").isZero();
        doorbell.found(5, DEPTH);
        assertThat(dueFor(5)).isEqualTo(2);
        doorbell.found(DEPTH, DEPTH);
        assertThat(dueFor(3)).as("what is left of the credit, 3 of 8, and one from before").isEqualTo(2);
        doorbell.found(DEPTH, DEPTH);
        assertThat(dueFor(DEPTH)).as("nobody has waited since").isZero();
    }

    @Test
    void isNotDueWhereAllThatIsInFlightMayHaveEndedInsideTheDoorbell() {
        doorbell.foundNothing(false);
        doorbell.found(DEPTH, DEPTH);
        assertThat(dueFor(DEPTH)).isZero();
    }

    @Test
    void isDueWhereSomethingHasNotEnded() {
        doorbell.foundNothing(false);
        doorbell.found(DEPTH - 1, DEPTH);
        assertThat(dueFor(DEPTH - 1)).isPositive();
    }

    @Test
    void isNeverDueWhereItIsNotWanted() {
        PromptDoorbell unwanted = new PromptDoorbell(false);
        unwanted.foundNothing(true);
        unwanted.found(DEPTH, DEPTH);
        assertThat(IntStream.range(0, DEPTH).anyMatch(_ -> unwanted.isDue())).isFalse();
    }

    /** On a tmpfs every read ends inside the doorbell: nobody waits, and a batch stays one system call. */
    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio"})
    void whatEndsInsideTheDoorbellIsHandedOverInBatches(String engine) throws Exception {
        var lack = AioEngines.find(engine).unavailable();
        Setup.skipIf(lack.isPresent(), engine + ": " + lack);
        Path tmpfs = Path.of("/dev/shm");
        Setup.skipIf(!Files.isWritable(tmpfs), "there is no " + tmpfs);
        Path image = Files.createTempFile(tmpfs, "blkmq", ".img");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build();
        try (Arena arena = Arena.ofShared(); AioEngine aio = AioEngines.open(engine, config)) {
            int block = 4096;
            Files.write(image, new byte[DEPTH * block]);
            try (AioFile file = aio.open(image, AioFile.Access.READ_ONLY, true)) {
                MemorySegment memory = arena.allocate((long) DEPTH * block, block);
                Kiocb[] kiocbs = IntStream.range(0, DEPTH).mapToObj(_ -> Kiocb.withSegments(1)).toArray(Kiocb[]::new);
                int rounds = 100;
                int[] ended = {0};
                long before = aio.statistics().systemCalls();
                for (int round = 0; round < rounds; round++) {
                    for (int i = 0; i < DEPTH; i++) {
                        long at = (long) i * block;
                        int refused = aio.submit(
                                kiocbs[i].prepareRead(file, at, (_, _) -> ended[0]++, i).addSegment(memory, at, block));
                        assertThat(refused).isZero();
                    }
                    while (ended[0] < (round + 1) * DEPTH) {
                        int _ = aio.await(Long.MAX_VALUE);
                    }
                }
                assertThat(aio.statistics().systemCalls() - before).isEqualTo(rounds);
            }
        } finally {
            Files.delete(image);
        }
    }
}
