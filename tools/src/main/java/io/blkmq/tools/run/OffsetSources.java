package io.blkmq.tools.run;

import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.Distribution;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;

/** Makes what says where a job's operations of a direction go, for each of its parts. */
final class OffsetSources {
    private static final int PERCENT = 100;

    private OffsetSources() {}

    /** Whether reads and writes are alike, so that a random map is for both. */
    static boolean areShared(Workload workload) {
        return workload.planned().isMixed() && workload.planned().isRandom()
                && workload.units().read().equals(workload.units().write());
    }

    /** By part. A direction that the job does not have has no places. */
    static OffsetSource[] of(Workload workload, Direction direction) {
        OffsetSource[] sources = new OffsetSource[workload.parts().size()];
        for (int i = 0; i < sources.length; i++) {
            sources[i] = workload.planned().has(direction)
                    ? source(workload, direction, workload.parts().get(i), i)
                    : OffsetSource.NOWHERE;
        }
        return sources;
    }

    private static OffsetSource source(Workload workload, Direction direction, Workload.Part part, int index) {
        JobSpec spec = workload.spec();
        int unit = workload.units().of(direction);
        long units = part.bytes() / unit;
        long base = part.offsetBytes();
        long modifier = spec.patternModifier();
        if (!workload.planned().isRandom()) {
            return new SequentialOffsets(base, unit, units, modifier);
        }
        XorShift places = new XorShift(workload.seed() ^ (direction.code() * 2L + 1) ^ ((long) index << 32));
        OffsetSource source = random(workload, direction, base, unit, units, places);
        int percent = (int) spec.amount(Key.PERCENTAGE_RANDOM, direction);
        if (percent < PERCENT) {
            source = new PartlyRandomOffsets(source, percent, places);
        }
        boolean identical = spec.word(Key.RW_SEQUENCER).equals("identical");
        return modifier > 1 ? new RepeatedOffsets(source, modifier, identical) : source;
    }

    private static OffsetSource random(Workload workload, Direction direction, long base, int unit, long units,
            XorShift places) {
        JobSpec spec = workload.spec();
        Distribution distribution = spec.distribution();
        if (distribution.kind() != Distribution.Kind.RANDOM) {
            return new DistributedOffsets(base, unit, units, UnitLaw.of(distribution, unit, units, places));
        }
        if (workload.hasMap()) {
            return new MappedOffsets(base, unit, units, places);
        }
        long align = spec.amount(Key.BLOCKALIGN, direction);
        return align == 0
                ? new RandomOffsets(base, unit, units, places)
                : new AlignedOffsets(base, unit, units, align, places);
    }
}
