package io.blkmq.core.tag;

import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.Stacks;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.jetbrains.lincheck.datastructures.ThreadIdGen;
import org.junit.jupiter.api.Test;

/**
 * Operations of a bitmap of one word take effect in one order that explains all answers. Which bit somebody gets depends on the
 * fold and is no part of the answer, except for round-robin.
 */
@NoRescues
class SbitmapLincheckTest {
    private static final int THREADS = 2;
    private static final int DEPTH = 2;
    /** How many times as long as in every build. */
    private static final int SCALE = NumberProperty.of("lincheck.scale", 1);
    /** When Lincheck takes a run for a hang. Its own limit is shorter than a busy machine may stop a thread for. */
    private static final long HANG_MILLIS = 300_000;
    private static final long STACKS_SECONDS = 240;

    /** Taking, giving back and resizing. */
    @Param(name = "thread", gen = ThreadIdGen.class)
    public static class Shared {
        private final Sbitmap bitmap = new Sbitmap(DEPTH);
        private final long[] held = new long[THREADS + 2];

        /** Takes a bit, unless the thread has one. */
        @Operation
        public boolean take(@Param(name = "thread") int thread) {
            if (held[thread] == 0) {
                held[thread] = bitmap.take(0, 1);
                return held[thread] != 0;
            }
            return false;
        }

        /** Gives the thread's bit back, if it has one. */
        @Operation
        public boolean give(@Param(name = "thread") int thread) {
            long mask = held[thread];
            held[thread] = 0;
            if (mask != 0) {
                bitmap.give(0, mask);
            }
            return mask != 0;
        }

        /** Whether a bit is free. */
        @Operation
        public boolean hasFree() {
            return bitmap.hasFree();
        }

        /** To nothing, so that it does not matter which bits are held. */
        @Operation(nonParallelGroup = "resize")
        public void shrink() {
            bitmap.resize(0);
        }

        /** To everything. */
        @Operation(nonParallelGroup = "resize")
        public void grow() {
            bitmap.resize(DEPTH);
        }
    }

    @Test
    void takeGiveAndResizeAreLinearizableUnderTheModelChecker() {
        try (Stacks _ = Stacks.printedAfter(STACKS_SECONDS)) {
            new ModelCheckingOptions().invocationTimeout$lincheck(HANG_MILLIS).iterations(3 * SCALE)
                    .invocationsPerIteration(300).threads(THREADS).actorsPerThread(4).actorsBefore(1).actorsAfter(1)
                    .check(Shared.class);
        }
    }

    @Test
    void takeGiveAndResizeAreLinearizableUnderStress() {
        try (Stacks _ = Stacks.printedAfter(STACKS_SECONDS)) {
            new StressOptions().invocationTimeout$lincheck(HANG_MILLIS).iterations(2 * SCALE)
                    .invocationsPerIteration(1_000).threads(THREADS).actorsPerThread(4).actorsBefore(1).actorsAfter(1)
                    .check(Shared.class);
        }
    }
}
