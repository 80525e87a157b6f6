package io.blkmq.tools.job;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What a job does with its device: the values of the key {@code rw}. */
public enum AccessPattern {
    /** Reads in order. */
    READ,
    /** Writes in order. */
    WRITE,
    /** Discards in order. */
    TRIM,
    /** Reads at random. */
    RANDREAD,
    /** Writes at random. */
    RANDWRITE,
    /** Discards at random. */
    RANDTRIM,
    /** Reads and writes, each in order. */
    RW,
    /** Reads and writes at random. */
    RANDRW,
    /** Discards a block and then writes it, in order. */
    TRIMWRITE,
    /** Discards a block and then writes it, at random. */
    RANDTRIMWRITE;

    /**
     * A pattern, and the number that may stand behind it.
     *
     * @param pattern the pattern
     * @param modifier 0 if there is none
     */
    public record Modified(AccessPattern pattern, long modifier) {}

    /** From {@code randread} or {@code randread:8}. */
    static Modified parse(String text) {
        String[] parts = text.strip().split(":", 2);
        String name = parts[0].equals("readwrite") ? "rw" : parts[0];
        for (AccessPattern pattern : values()) {
            if (pattern.keyValue().equals(name)) {
                return new Modified(pattern, parts.length < 2 ? 0 : modifier(parts[1], pattern));
            }
        }
        throw new IllegalArgumentException("\"" + parts[0] + "\" is not known; possible are "
                + Arrays.stream(values()).map(AccessPattern::keyValue).collect(Collectors.joining(", "))
                + ", readwrite");
    }

    private static long modifier(String text, AccessPattern pattern) {
        String stripped = text.strip();
        return stripped.startsWith("-") && !pattern.isRandom()
                ? -Quantity.bytes(stripped.substring(1))
                : Quantity.bytes(stripped);
    }

    /**
     * Its name in a job file.
     *
     * @return in small letters
     */
    public String keyValue() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Whether it has operations of a direction.
     *
     * @param direction which
     * @return true if some operations go that way
     */
    public boolean has(Direction direction) {
        return switch (direction) {
            case READ -> reads();
            case WRITE -> writes();
            case TRIM -> trims();
        };
    }

    /**
     * Whether it reads.
     *
     * @return true if some operations are reads
     */
    public boolean reads() {
        return this == READ || this == RANDREAD || isMixed();
    }

    /**
     * Whether it writes.
     *
     * @return true if some operations are writes
     */
    public boolean writes() {
        return this == WRITE || this == RANDWRITE || isMixed() || isTrimThenWrite();
    }

    /**
     * Whether it discards.
     *
     * @return true if some operations are discards
     */
    public boolean trims() {
        return this == TRIM || this == RANDTRIM || isTrimThenWrite();
    }

    /**
     * Whether it both reads and writes.
     *
     * @return true if so
     */
    public boolean isMixed() {
        return this == RW || this == RANDRW;
    }

    /**
     * Whether it discards each block before it writes it.
     *
     * @return true if so
     */
    public boolean isTrimThenWrite() {
        return this == TRIMWRITE || this == RANDTRIMWRITE;
    }

    /**
     * Whether it jumps.
     *
     * @return false if it goes through the device in order
     */
    public boolean isRandom() {
        return switch (this) {
            case RANDREAD, RANDWRITE, RANDTRIM, RANDRW, RANDTRIMWRITE -> true;
            case READ, WRITE, TRIM, RW, TRIMWRITE -> false;
        };
    }
}
