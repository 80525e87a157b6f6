package io.blkmq.tools.job;

import io.blkmq.aio.AioEngineConfig;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.TagSet;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The keys of a job file: names, what their values look like, and what holds when a job does not mention them. */
@SuppressWarnings("ImmutableEnumChecker") // the lists are unmodifiable, and the parsers keep nothing
public enum Key {
    /** What the job does. */
    RW(List.of("rw", "readwrite"), "read", Key::accessPattern),
    /** Percentage of reads in a mixed job. */
    RWMIXREAD(List.of("rwmixread"), "50", text -> Quantity.count(text, 0, 100)),
    /** Length of an operation. */
    BS(List.of("bs", "blocksize"), "4k", BlockSizes::parse),
    /** Range of lengths. */
    BSRANGE(List.of("bsrange", "blocksize_range"), null, BlockSizes::parseRange),
    /** How many bytes the job moves, and how long its part of the device is. */
    SIZE(List.of("size"), null, text -> notEmpty(Extent.parse(text))),
    /** Where its part of the device begins. */
    OFFSET(List.of("offset"), "0", Extent::parse),
    /** When it ends at the latest. */
    RUNTIME(List.of("runtime", "timeout"), "0", Quantity::nanos),
    /** Whether it begins again until its time is over. */
    TIME_BASED(List.of("time_based"), "0", Key::flag),
    /** How many do the same. */
    NUMJOBS(List.of("numjobs"), "1", text -> Quantity.count(text, 1, Key.JOBS_MAX)),
    /** The engine below the loop device. */
    IOENGINE(List.of("ioengine"), "psync", EngineName::parse),
    /** Operations in flight. */
    IODEPTH(List.of("iodepth"), "1", text -> Quantity.count(text, 1, TagSet.DEPTH_MAX)),
    /** The most operations submitted together. */
    IODEPTH_BATCH_SUBMIT(List.of("iodepth_batch_submit", "iodepth_batch"), null, Key::batch),
    /** The least completions waited for. */
    IODEPTH_BATCH_COMPLETE_MIN(List.of("iodepth_batch_complete_min", "iodepth_batch_complete"), "1", Key::batch),
    /** The most completions taken together. */
    IODEPTH_BATCH_COMPLETE_MAX(List.of("iodepth_batch_complete_max"), null, Key::batch),
    /** Whether the loop device goes past the page cache. */
    DIRECT(List.of("direct"), "0", Key::flag),
    /** What orders the requests of the device. */
    IOSCHEDULER(List.of("ioscheduler"), Elevators.NONE, Key::elevator),
    /** How many threads do the blocking I/O of a loop device. */
    WORKERS(List.of("workers"), null, text -> Quantity.count(text, 1, AioEngineConfig.WORKERS_MAX)),
    /** Name of the device, inside the command. */
    FILENAME(List.of("filename"), null, Key::name),
    /** Whether the job is reported together with the others. */
    GROUP_REPORTING(List.of("group_reporting"), "0", Key::flag),
    /** After how many writes there is a flush. */
    FSYNC(List.of("fsync"), "0", text -> Quantity.count(text, 0, Integer.MAX_VALUE)),
    /** How data is verified. */
    VERIFY(List.of("verify"), "0", Key::verification),
    /** Whether a job that writes reads back what it wrote. */
    DO_VERIFY(List.of("do_verify"), "1", Key::flag),
    /** What random numbers begin with. */
    RANDSEED(List.of("randseed"), "305441741", Key::seed),
    /** Whether random offsets may repeat before all were used. */
    NORANDOMMAP(List.of("norandommap"), "0", Key::flag),
    /** Whether to do without most readings of the clock, and so without latencies. */
    GTOD_REDUCE(List.of("gtod_reduce"), "0", Key::flag);

    /** The most clones of a job. */
    static final int JOBS_MAX = 1024;

    private final List<String> names;
    private final @Nullable String defaultText;
    private final ValueParser parser;

    Key(List<String> names, @Nullable String defaultText, ValueParser parser) {
        this.names = names;
        this.defaultText = defaultText;
        this.parser = parser;
    }

    /** Makes a value of its text. */
    @FunctionalInterface
    private interface ValueParser {
        /** Throws {@link IllegalArgumentException} with a message that says what is possible. */
        Object parse(String text);
    }

    private static final Map<String, Key> BY_NAME = Arrays.stream(values())
            .flatMap(key -> key.names.stream().map(name -> Map.entry(name, key)))
            .collect(Collectors.toUnmodifiableMap(Map.Entry::getKey, Map.Entry::getValue));

    /** The key of that name or alias. */
    static @Nullable Key find(String name) {
        return BY_NAME.get(name.toLowerCase(Locale.ROOT));
    }

    /** All names, for the message about an unknown one. */
    static String allNames() {
        return Arrays.stream(values()).flatMap(key -> key.names.stream()).collect(Collectors.joining(", "));
    }

    /**
     * Its name.
     *
     * @return the first of its names in a job file
     */
    public String keyName() {
        return names.getFirst();
    }

    /** The value that a text stands for. */
    Object parse(String text) {
        return parser.parse(text);
    }

    /** The value of a job that does not mention the key, null if there is none. */
    @Nullable
    Object defaultValue() {
        return defaultText == null ? null : parser.parse(defaultText);
    }

    /** Whether the key alone, without a value, means 1. */
    boolean isFlag() {
        return switch (this) {
            case TIME_BASED, DIRECT, GROUP_REPORTING, DO_VERIFY, NORANDOMMAP, GTOD_REDUCE -> true;
            default -> false;
        };
    }

    private static Object accessPattern(String text) {
        String name = text.strip();
        for (AccessPattern pattern : AccessPattern.values()) {
            if (pattern.name().toLowerCase(Locale.ROOT).equals(name)) {
                return pattern;
            }
        }
        if (name.equals("readwrite")) {
            return AccessPattern.RW;
        }
        throw new IllegalArgumentException(
                "\"" + name + "\" is not known; possible are read, write, randread, randwrite, rw, readwrite, randrw");
    }

    private static Object notEmpty(Extent size) {
        if (size.value() == 0) {
            throw new IllegalArgumentException("at least one block is needed");
        }
        return size;
    }

    private static Object flag(String text) {
        return switch (text.strip()) {
            case "0" -> false;
            case "1" -> true;
            default -> throw new IllegalArgumentException("\"" + text.strip() + "\": 0 and 1 are possible");
        };
    }

    private static Object elevator(String text) {
        String name = text.strip();
        // Throws with the names that there are.
        Elevators.named(name);
        return name;
    }

    private static Object batch(String text) {
        return Quantity.count(text, 0, TagSet.DEPTH_MAX);
    }

    private static Object name(String text) {
        String name = text.strip();
        if (name.isEmpty()) {
            throw new IllegalArgumentException("a name is needed");
        }
        if (name.contains(":") || name.contains("${")) {
            throw new IllegalArgumentException(
                    "\"" + name + "\": one name is possible, without ':' for several and without ${} for variables");
        }
        return name;
    }

    private static Object verification(String text) {
        return switch (text.strip()) {
            case "0" -> false;
            case "crc32c" -> true;
            default -> throw new IllegalArgumentException("\"" + text.strip() + "\": crc32c and 0 are possible");
        };
    }

    private static Object seed(String text) {
        try {
            return Long.parseUnsignedLong(text.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text.strip() + "\": a number of 64 bits is needed", e);
        }
    }
}
