package io.blkmq.tools.run;

import io.blkmq.tools.job.Distribution;

/** Which unit of a part an operation goes to, by a law that is not uniform. For one thread. */
abstract sealed class UnitLaw {
    final long units;
    final XorShift random;

    private UnitLaw(long units, XorShift random) {
        this.units = units;
        this.random = random;
    }

    static UnitLaw of(Distribution distribution, int unitBytes, long units, XorShift random) {
        return switch (distribution.kind()) {
            case ZIPF -> new Placed(new Zipf(units, random, distribution.value()), distribution.center());
            case PARETO -> new Placed(new Pareto(units, random, distribution.value()), distribution.center());
            case NORMAL -> new Normal(units, random, distribution.value(), distribution.center());
            case ZONED, ZONED_ABS -> new Zoned(distribution, unitBytes, units, random);
            case RANDOM -> throw new IllegalArgumentException("random is uniform");
        };
    }

    /** A unit, from 0 on. */
    abstract long next();

    /** A number from 0 to 1, without 1. */
    final double uniform() {
        return (random.next() >>> 11) * 0x1.0p-53;
    }

    /** Ranks of another law at places: the first at a given one, the next around it; or all scattered. */
    private static final class Placed extends UnitLaw {
        private final UnitLaw ranks;
        private final double center;

        Placed(UnitLaw ranks, double center) {
            super(ranks.units, ranks.random);
            this.ranks = ranks;
            this.center = center;
        }

        @Override
        long next() {
            long rank = ranks.next();
            if (center < 0) {
                return Math.unsignedMultiplyHigh(XorShift.mix(rank), units);
            }
            return Math.floorMod((long) (center * units) + rank, units);
        }
    }

    /**
     * Zipf's law by rejection and inversion, after Hörmann and Derflinger (1996): a rank of the continuous law that bounds the
     * discrete one from above is drawn, and kept where it lies below that one.
     */
    private static final class Zipf extends UnitLaw {
        private static final double NEARLY_ZERO = 1e-8;

        private final double exponent;
        private final double first;
        private final double last;
        private final double shortcut;

        Zipf(long units, XorShift random, double exponent) {
            super(units, random);
            this.exponent = exponent;
            this.first = integral(1.5) - 1;
            this.last = integral(units + 0.5);
            this.shortcut = 2 - inverse(integral(2.5) - Math.exp(-exponent * Math.log(2)));
        }

        @Override
        long next() {
            while (true) {
                double u = last + uniform() * (first - last);
                double x = inverse(u);
                long rank = Math.clamp(Math.round(x), 1, units);
                if (rank - x <= shortcut || u >= integral(rank + 0.5) - Math.exp(-exponent * Math.log((double) rank))) {
                    return rank - 1;
                }
            }
        }

        private double integral(double x) {
            double log = Math.log(x);
            return expm1Over((1 - exponent) * log) * log;
        }

        private double inverse(double x) {
            double t = Math.max(-1, x * (1 - exponent));
            return Math.exp(log1pOver(t) * x);
        }

        private static double log1pOver(double x) {
            return Math.abs(x) > NEARLY_ZERO ? Math.log1p(x) / x : 1 - x * (0.5 - x / 3);
        }

        private static double expm1Over(double x) {
            return Math.abs(x) > NEARLY_ZERO ? Math.expm1(x) / x : 1 + x * 0.5 * (1 + x / 3);
        }
    }

    /** Pareto's law: of a power h, the part h of all units has 1 - h of all operations. */
    private static final class Pareto extends UnitLaw {
        private final double power;

        Pareto(long units, XorShift random, double h) {
            super(units, random);
            this.power = Math.log(h) / Math.log(1 - h);
        }

        @Override
        long next() {
            return (long) ((units - 1) * Math.pow(uniform(), power));
        }
    }

    /** The normal distribution, with a deviation in percent of the part; what falls outside is at its ends. */
    private static final class Normal extends UnitLaw {
        private static final double PERCENT = 100;

        private final double deviation;
        private final double mean;

        Normal(long units, XorShift random, double percent, double center) {
            super(units, random);
            this.deviation = units * percent / PERCENT;
            this.mean = units * (center < 0 ? 0.5 : center);
        }

        @Override
        long next() {
            double radius = Math.sqrt(-2 * Math.log(1 - uniform()));
            double gauss = radius * Math.cos(2 * Math.PI * uniform());
            return Math.clamp((long) Math.floor(mean + deviation * gauss), 0, units - 1);
        }
    }

    /** Zones, each with a part of the operations. */
    private static final class Zoned extends UnitLaw {
        private final int[] access;
        private final long[] begin;
        private final long[] length;

        Zoned(Distribution distribution, int unitBytes, long units, XorShift random) {
            super(units, random);
            int zones = distribution.zones().size();
            access = new int[zones];
            begin = new long[zones];
            length = new long[zones];
            boolean percent = distribution.kind() == Distribution.Kind.ZONED;
            long at = 0;
            for (int i = 0; i < zones; i++) {
                Distribution.Zone zone = distribution.zones().get(i);
                long wanted = percent ? (long) (units / 100.0 * zone.size()) : zone.size() / unitBytes;
                access[i] = zone.accessPercent();
                begin[i] = Math.min(at, units - 1);
                length[i] = Math.max(1, Math.min(wanted, units - begin[i]));
                at += wanted;
            }
        }

        @Override
        long next() {
            long percent = random.below(100);
            int zone = 0;
            while (zone < access.length - 1 && percent >= access[zone]) {
                percent -= access[zone++];
            }
            return begin[zone] + random.below(length[zone]);
        }
    }
}
