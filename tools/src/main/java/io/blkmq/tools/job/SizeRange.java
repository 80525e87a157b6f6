package io.blkmq.tools.job;

/**
 * How long something is: a size, or a random one of a range.
 *
 * @param minBytes the shortest
 * @param maxBytes the longest
 */
public record SizeRange(long minBytes, long maxBytes) {
    static SizeRange parse(String text) {
        String[] parts = text.split("[-:]", 2);
        long one = Quantity.bytes(parts[0]);
        long other = parts.length < 2 ? one : Quantity.bytes(parts[1]);
        if (one == 0 || other == 0) {
            throw new IllegalArgumentException("at least one block is needed");
        }
        return new SizeRange(Math.min(one, other), Math.max(one, other));
    }
}
