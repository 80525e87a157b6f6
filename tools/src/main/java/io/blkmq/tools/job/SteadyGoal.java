package io.blkmq.tools.job;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * When a job has become steady: the value of the key {@code ss}.
 *
 * @param measure what is looked at
 * @param slope whether the slope of the measurements counts, and not how far they are from their mean
 * @param limit the greatest slope or distance
 * @param percent whether that is a percentage of the mean
 */
public record SteadyGoal(Measure measure, boolean slope, double limit, boolean percent) {
    private static final String SLOPE = "_slope";

    /** What is measured in each interval. */
    public enum Measure {
        /** Operations a second. */
        IOPS,
        /** Bytes a second. */
        BW,
        /** The mean latency, in nanoseconds. */
        LAT
    }

    static SteadyGoal parse(String text) {
        String[] parts = text.strip().split(":", -1);
        String name = parts[0].strip();
        boolean slope = name.endsWith(SLOPE);
        String measured = slope ? name.substring(0, name.length() - SLOPE.length()) : name;
        Measure measure = Arrays.stream(Measure.values()).filter(each -> name(each).equals(measured)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("\"" + name + "\" is not known; possible are "
                        + Arrays.stream(Measure.values()).map(each -> name(each) + ", " + name(each) + SLOPE)
                                .collect(Collectors.joining(", "))));
        String limit = parts.length == 2 ? parts[1].strip() : "";
        boolean percent = limit.endsWith("%");
        try {
            double number = Double.parseDouble(percent ? limit.substring(0, limit.length() - 1) : limit);
            if (number >= 0 && Double.isFinite(number)) {
                return new SteadyGoal(measure, slope, number, percent);
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": a limit is needed, as in " + name + ":1%", e);
        }
        throw new IllegalArgumentException("\"" + text.strip() + "\": a limit of 0 or more is needed");
    }

    private static String name(Measure measure) {
        return measure.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
        return name(measure) + (slope ? SLOPE : "") + ":" + limit + (percent ? "%" : "");
    }
}
