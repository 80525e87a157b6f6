package io.blkmq.core;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * How urgent an I/O is, for an elevator that looks at it: a class, and a level within the class. I/Os of different priority are not
 * merged. The kernel's counterpart is {@code ioprio}. Immutable; there is one object of each value.
 *
 * @since 0.1.0
 */
public final class IoPriority {
    /** The number of levels of a class. */
    public static final int LEVELS = 8;
    /** The level of I/O that names none. */
    public static final int LEVEL_DEFAULT = 4;

    private static final Map<IoClass, List<IoPriority>> ALL = all();
    /** Nothing said: treated as best effort. */
    public static final IoPriority NONE = of(IoClass.NONE, LEVEL_DEFAULT);

    private final IoClass ioClass;
    private final int level;

    private IoPriority(IoClass ioClass, int level) {
        this.ioClass = ioClass;
        this.level = level;
    }

    /** The classes. */
    public enum IoClass {
        /** Nothing said. */
        NONE,
        /** Goes before everything else. */
        REAL_TIME,
        /** The usual class. */
        BEST_EFFORT,
        /** Goes when nothing else wants to. */
        IDLE
    }

    private static Map<IoClass, List<IoPriority>> all() {
        Map<IoClass, List<IoPriority>> all = new EnumMap<>(IoClass.class);
        for (IoClass c : IoClass.values()) {
            all.put(c, IntStream.range(0, LEVELS).mapToObj(level -> new IoPriority(c, level)).toList());
        }
        return all;
    }

    /**
     * A priority.
     *
     * @param ioClass its class
     * @param level 0, the most urgent, to 7
     * @return the only object of that value
     * @throws IllegalArgumentException if there is no such level
     */
    public static IoPriority of(IoClass ioClass, int level) {
        if (level < 0 || level >= LEVELS) {
            throw new IllegalArgumentException("level " + level + " of a priority: must be 0 to " + (LEVELS - 1));
        }
        return Objects.requireNonNull(ALL.get(ioClass)).get(level);
    }

    /**
     * The class.
     *
     * @return as it was given
     */
    public IoClass ioClass() {
        return ioClass;
    }

    /**
     * The level within the class.
     *
     * @return 0, the most urgent, to 7
     */
    public int level() {
        return level;
    }

    @Override
    public String toString() {
        return ioClass + "/" + level;
    }
}
