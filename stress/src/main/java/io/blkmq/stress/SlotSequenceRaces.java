package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.counters.layout.SlotSequence;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A reader of a slot of the counters file beside its writer. */
public final class SlotSequenceRaces {
    private SlotSequenceRaces() {}

    /** Figures that are taken for those of one time are. */
    @JCStressTest
    @Outcome(id = "0", expect = ACCEPTABLE, desc = "the reader has to read anew")
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "both figures of before")
    @Outcome(id = "2", expect = ACCEPTABLE, desc = "both figures of after")
    @Outcome(expect = FORBIDDEN, desc = "one of each")
    @State
    public static class FiguresOfASlotAreOfOneTime {
        private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
        /** A slot as the mapped file has it: the number, and two figures. */
        private final MemorySegment slot = MemorySegment.ofArray(new long[3]);

        /** Writes both. */
        @Actor
        public void writer() {
            SlotSequence.begin(slot, 0);
            slot.set(LONG, 8, 1);
            slot.set(LONG, 16, 1);
            SlotSequence.end(slot, 0);
        }

        /** Reads both, the later one first. */
        @Actor
        public void reader(I_Result r) {
            long before = SlotSequence.beforeReading(slot, 0);
            long second = slot.get(LONG, 16);
            long first = slot.get(LONG, 8);
            r.r1 = !SlotSequence.isUnchanged(slot, 0, before) ? 0 : first != second ? 3 : first == 0 ? 1 : 2;
        }
    }
}
