package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.sim.RandomPrograms;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Random bios on a device with random limits and faults: the bytes are those of an array, each bio ends once and as the device said,
 * and every request that the driver sees is legal by a ledger that knows the rules and nothing of how they are kept.
 */
@NoRescues
class BioProgramsTest {
    /** The programs of each build; {@link RandomPrograms#PROGRAMS} asks for others. */
    private static final int PROGRAMS = 2_500;

    @Test
    @DisplayName("whatever is submitted, what reaches the driver is legal, and what comes back is right")
    void requestsAreLegalAndResultsAreRight() {
        int[] seen = new int[3];
        RandomPrograms.Tally tally = new RandomPrograms<BioStep>(RandomSeed.replay(BioProgramsTest.class),
                RandomSeed.next(BioProgramsTest.class), BioStepGenerator::program, (runtime, steps) -> {
                    BioLedger ledger = BioUsers.run(runtime, steps);
                    seen[0] += ledger.requests;
                    seen[1] += ledger.merged;
                    seen[2] += ledger.cut;
                }).programs(PROGRAMS).check();
        System.out.println("BioProgramsTest: " + tally + ", " + seen[0] + " requests, of them " + seen[1]
                + " of several bios, " + seen[2] + " bios that were cut");
        assertThat(seen[0]).isPositive();
    }
}
