package io.blkmq.tools.job;

import java.util.function.Function;

/**
 * Three values: one for reads, one for writes, one for trims.
 *
 * @param read for reads
 * @param write for writes
 * @param trim for trims
 * @param <T> their type
 */
public record ByDirection<T>(T read, T write, T trim) {
    /**
     * From {@code r}, {@code r,w} or {@code r,w,t}. A value that no comma ends holds for the directions after it; one that is left
     * out is the default.
     */
    static <T> ByDirection<T> parse(String text, T standard, Function<String, T> parser) {
        String[] parts = text.split(",", -1);
        if (parts.length > 3) {
            throw new IllegalArgumentException(
                    "values for reads, writes and trims are possible, and not " + parts.length + " of them");
        }
        T read = parts[0].isBlank() ? standard : parser.apply(parts[0]);
        T write = parts.length < 2 ? read : parts[1].isBlank() ? standard : parser.apply(parts[1]);
        T trim = parts.length < 3 ? write : parts[2].isBlank() ? standard : parser.apply(parts[2]);
        return new ByDirection<>(read, write, trim);
    }

    /**
     * The value of a direction.
     *
     * @param direction which
     * @return its value
     */
    public T of(Direction direction) {
        return switch (direction) {
            case READ -> read;
            case WRITE -> write;
            case TRIM -> trim;
        };
    }
}
