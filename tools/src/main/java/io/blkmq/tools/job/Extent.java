package io.blkmq.tools.job;

/**
 * A length or a place on a device: bytes, or a part of the device.
 *
 * @param value bytes, or percent
 * @param percent whether it is percent of the device's size
 */
public record Extent(long value, boolean percent) {
    /** Nothing. */
    public static final Extent ZERO = new Extent(0, false);
    private static final int WHOLE = 100;

    /** From {@code 32G} or {@code 50%}. */
    static Extent parse(String text) {
        String stripped = text.strip();
        if (!stripped.endsWith("%")) {
            return new Extent(Quantity.bytes(stripped), false);
        }
        return new Extent(Quantity.count(stripped.substring(0, stripped.length() - 1), 0, WHOLE), true);
    }

    /**
     * What it is on a device.
     *
     * @param deviceBytes the device's size
     * @return bytes
     */
    public long of(long deviceBytes) {
        return percent ? deviceBytes / WHOLE * value + deviceBytes % WHOLE * value / WHOLE : value;
    }
}
