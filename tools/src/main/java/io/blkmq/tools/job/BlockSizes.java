package io.blkmq.tools.job;

import java.util.ArrayList;
import java.util.List;

/**
 * How long the operations of one direction are, in bytes: any multiple of the shortest up to the longest, or certain lengths with
 * certain weights.
 *
 * @param min the shortest
 * @param max the longest
 * @param weights the lengths of a {@code bssplit}; empty for a range
 */
public record BlockSizes(int min, int max, List<Weight> weights) {
    /** What a job does that says nothing else. */
    public static final int DEFAULT_BYTES = 4096;
    /** The longest operation there is. */
    public static final int BYTES_MAX = 64 << 20;
    private static final int PERCENT = 100;
    private static final int WEIGHTS_MAX = 64;

    /**
     * A length of a {@code bssplit}.
     *
     * @param bytes how long
     * @param percent how many of a hundred operations have it
     */
    public record Weight(int bytes, double percent) {}

    /** One length. */
    static BlockSizes fixed(int bytes) {
        return new BlockSizes(bytes, bytes, List.of());
    }

    /**
     * Whether all are of one length.
     *
     * @return true if so
     */
    public boolean isFixed() {
        return min == max;
    }

    /** From {@code 4k} or {@code 4k,8k,1m}. */
    static ByDirection<BlockSizes> parse(String text) {
        return ByDirection.parse(text, fixed(DEFAULT_BYTES), part -> fixed(size(part)));
    }

    /** From {@code 4k-64k} or {@code 4k-64k,8k:8k}, also with {@code /} between the directions; bounds in any order. */
    static ByDirection<BlockSizes> parseRange(String text) {
        return ByDirection.parse(text.replace('/', ','), fixed(DEFAULT_BYTES), BlockSizes::range);
    }

    private static BlockSizes range(String text) {
        String[] bounds = text.strip().split("[-:]", -1);
        if (bounds.length != 2) {
            throw new IllegalArgumentException("a range like 4k-64k is needed");
        }
        int one = size(bounds[0]);
        int other = size(bounds[1]);
        return new BlockSizes(Math.min(one, other), Math.max(one, other), List.of());
    }

    /** From {@code 4k/10:64k/50:32k/40}, by direction. */
    static ByDirection<BlockSizes> parseSplit(String text) {
        return ByDirection.parse(text, fixed(DEFAULT_BYTES), BlockSizes::split);
    }

    private static BlockSizes split(String text) {
        List<Weight> weights = new ArrayList<>();
        double sum = 0;
        int open = 0;
        for (String part : text.strip().split(":", -1)) {
            String[] pair = part.split("/", -1);
            boolean blank = pair.length < 2 || pair[1].isBlank();
            double percent = blank ? -1 : Quantity.count(pair[1].replace("%", ""), 0, PERCENT);
            open += blank ? 1 : 0;
            sum += blank ? 0 : percent;
            weights.add(new Weight(size(pair[0]), percent));
        }
        if (weights.size() > WEIGHTS_MAX) {
            throw new IllegalArgumentException(weights.size() + " lengths: " + WEIGHTS_MAX + " are possible");
        }
        if (sum > PERCENT || (open == 0 && sum < PERCENT)) {
            throw new IllegalArgumentException("the percentages add up to " + (long) sum + ", and not to 100");
        }
        double rest = open == 0 ? 0 : (PERCENT - sum) / open;
        List<Weight> filled = weights.stream()
                .map(weight -> weight.percent < 0 ? new Weight(weight.bytes, rest) : weight).toList();
        return new BlockSizes(filled.stream().mapToInt(Weight::bytes).min().orElseThrow(),
                filled.stream().mapToInt(Weight::bytes).max().orElseThrow(), filled);
    }

    private static int size(String text) {
        return (int) Quantity.between(Quantity.bytes(text), 1, BYTES_MAX);
    }
}
