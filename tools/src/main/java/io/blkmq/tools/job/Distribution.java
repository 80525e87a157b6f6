package io.blkmq.tools.job;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/**
 * How random offsets are spread over a job's part of a device.
 *
 * @param kind the law
 * @param value its parameter
 * @param center where in the part the most probable offset is, from 0 to 1; below 0 for a random place
 * @param zones of the zoned laws; empty for the others
 */
public record Distribution(Kind kind, double value, double center, List<Zone> zones) {
    /** A law. */
    public enum Kind {
        /** All offsets alike. */
        RANDOM,
        /** Zipf's law. */
        ZIPF,
        /** Pareto's law. */
        PARETO,
        /** The normal distribution. */
        NORMAL,
        /** Zones in percent of the part. */
        ZONED,
        /** Zones in bytes. */
        ZONED_ABS
    }

    /**
     * A zone.
     *
     * @param accessPercent how many of a hundred operations go there
     * @param size how long it is: percent, or bytes
     */
    public record Zone(int accessPercent, long size) {}

    private static final double RANDOM_CENTER = -1;
    private static final int PERCENT = 100;
    private static final int ZONES_MAX = 256;
    private static final long BLANK = -1;

    static Distribution parse(String text) {
        String[] parts = text.strip().split("[:=]", 2);
        String rest = parts.length < 2 ? "" : parts[1];
        return switch (parts[0]) {
            case "random" -> new Distribution(Kind.RANDOM, 0, 0, List.of());
            case "zipf" -> law(Kind.ZIPF, rest, 1.1, RANDOM_CENTER);
            case "pareto" -> law(Kind.PARETO, rest, 0.2, RANDOM_CENTER);
            case "normal" -> law(Kind.NORMAL, rest, 0, 0.5);
            case "zoned" -> new Distribution(Kind.ZONED, 0, 0, zones(rest, true));
            case "zoned_abs" -> new Distribution(Kind.ZONED_ABS, 0, 0, zones(rest, false));
            default -> throw new IllegalArgumentException(
                    "\"" + parts[0] + "\" is not known; possible are random, zipf, pareto, normal, zoned, zoned_abs");
        };
    }

    private static Distribution law(Kind kind, String text, double standard, double center) {
        String[] parts = text.split(":", -1);
        try {
            double value = parts[0].isBlank() ? standard : Double.parseDouble(parts[0]);
            double where = parts.length < 2 ? center : Double.parseDouble(parts[1]);
            boolean placed = parts.length < 2 || (where >= 0 && where <= 1);
            boolean fits = switch (kind) {
                case ZIPF -> value > 0 && value != 1;
                case PARETO -> value > 0 && value < 1;
                default -> value >= 0 && value <= PERCENT;
            };
            if (!fits || !Double.isFinite(value) || parts.length > 2 || !placed) {
                throw new IllegalArgumentException("\"" + text + "\": possible are " + switch (kind) {
                    case ZIPF -> "a theta above 0 that is not 1";
                    case PARETO -> "a power between 0 and 1";
                    default -> "a deviation from 0 to 100";
                } + ", and behind it a place from 0 to 1");
            }
            return new Distribution(kind, value, where, List.of());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text + "\": numbers are needed", e);
        }
    }

    /** From {@code 60/10:30/20:10/70}: what is left blank at the end of a part is filled with an equal share of the rest. */
    private static List<Zone> zones(String text, boolean percent) {
        if (text.contains(",")) {
            throw new IllegalArgumentException("one list of zones for all directions is possible");
        }
        String[] parts = text.split(":", -1);
        long[] access = new long[parts.length];
        long[] sizes = new long[parts.length];
        for (int i = 0; i < parts.length; i++) {
            String[] pair = parts[i].split("/", -1);
            if (pair.length > 2 || (pair.length == 1 && pair[0].isBlank())) {
                throw new IllegalArgumentException("\"" + parts[i] + "\": a zone like 60/10 is needed");
            }
            access[i] = pair[0].isBlank() ? BLANK : Quantity.count(pair[0], 0, PERCENT);
            String size = pair.length < 2 ? "" : pair[1];
            sizes[i] = size.isBlank() ? BLANK : percent ? Quantity.count(size, 0, PERCENT) : Quantity.bytes(size);
        }
        fillBlanks(access);
        if (percent) {
            fillBlanks(sizes);
        }
        List<Zone> zones = new ArrayList<>();
        for (int i = 0; i < parts.length; i++) {
            if (sizes[i] == BLANK) {
                throw new IllegalArgumentException("\"" + parts[i] + "\": a size is needed");
            }
            zones.add(new Zone((int) access[i], sizes[i]));
        }
        long all = LongStream.of(access).sum();
        long size = LongStream.of(sizes).sum();
        if (all != PERCENT || (percent && size != PERCENT) || zones.size() > ZONES_MAX || size == 0) {
            throw new IllegalArgumentException(
                    "the zones have " + all + "% of the operations" + (percent ? " and " + size + "% of the size" : "")
                            + ", and not 100%, or are more than " + ZONES_MAX);
        }
        return List.copyOf(zones);
    }

    /** The blanks share what is missing to a hundred; the last has the remainder. */
    private static void fillBlanks(long[] percents) {
        long blanks = LongStream.of(percents).filter(each -> each == BLANK).count();
        long rest = PERCENT - LongStream.of(percents).filter(each -> each != BLANK).sum();
        for (int i = 0; i < percents.length; i++) {
            if (percents[i] == BLANK) {
                percents[i] = rest / blanks;
                rest -= percents[i];
                blanks--;
            }
        }
    }
}
