package io.blkmq.tools.job;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** A job as its section and the global ones before it describe it. Immutable. */
public final class JobSpec {
    private final String name;
    private final Location location;
    private final Map<Key, Setting> settings;

    /** A value, how it was written, and where. */
    record Setting(Object value, String text, Location location) {}

    JobSpec(String name, Location location, Map<Key, Setting> settings) {
        this.name = name;
        this.location = location;
        this.settings = new EnumMap<>(Key.class);
        this.settings.putAll(settings);
    }

    /**
     * The same job with another value for a key.
     *
     * @param key which
     * @param text the value, as in a job file
     * @param origin who says so
     * @return another spec
     * @throws UsageException if the key has no such value
     */
    public JobSpec with(Key key, String text, Location origin) throws UsageException {
        JobSpec changed = new JobSpec(name, location, settings);
        changed.settings.put(key, parse(key, key.keyName(), text, origin));
        return changed;
    }

    /** A setting from its text. */
    static Setting parse(Key key, String name, String text, Location location) throws UsageException {
        try {
            return new Setting(key.parse(text), text.strip(), location);
        } catch (IllegalArgumentException e) {
            throw new UsageException(location, name + "=" + text.strip() + ": " + e.getMessage());
        }
    }

    /**
     * The name of its section.
     *
     * @return without brackets
     */
    public String name() {
        return name;
    }

    /**
     * Where its section begins.
     *
     * @return file and line
     */
    public Location location() {
        return location;
    }

    /**
     * Where a key got its value.
     *
     * @param key which
     * @return the key's line, or the job's if it has none
     */
    public Location location(Key key) {
        Setting setting = settings.get(key);
        return setting == null ? location : setting.location;
    }

    /**
     * What was written for the job, own and global.
     *
     * @return names of keys and texts of values, in the order of {@link Key}
     */
    public Map<String, String> options() {
        Map<String, String> options = new LinkedHashMap<>();
        settings.forEach((key, setting) -> options.put(key.keyName(), setting.text));
        return options;
    }

    private @Nullable Object find(Key key) {
        Setting setting = settings.get(key);
        return setting == null ? key.defaultValue() : setting.value;
    }

    private Object value(Key key) {
        return Objects.requireNonNull(find(key));
    }

    private boolean flag(Key key) {
        return (Boolean) value(key);
    }

    private int count(Key key) {
        return (Integer) value(key);
    }

    /**
     * What it does.
     *
     * @return the pattern
     */
    public AccessPattern accessPattern() {
        return (AccessPattern) value(Key.RW);
    }

    /**
     * How many of a mixed job's operations are reads.
     *
     * @return percent
     */
    public int readPercent() {
        return switch (accessPattern()) {
            case READ, RANDREAD -> 100;
            case WRITE, RANDWRITE -> 0;
            case RW, RANDRW -> count(Key.RWMIXREAD);
        };
    }

    /**
     * How long its operations are. A range goes before a fixed size.
     *
     * @return the sizes
     */
    public BlockSizes blockSizes() {
        Object range = find(Key.BSRANGE);
        return (BlockSizes) (range != null ? range : value(Key.BS));
    }

    /**
     * How many bytes it moves.
     *
     * @return empty for the rest of the device
     */
    public Optional<Extent> size() {
        return Optional.ofNullable((Extent) find(Key.SIZE));
    }

    /**
     * Where its part of the device begins.
     *
     * @return the offset
     */
    public Extent offset() {
        return (Extent) value(Key.OFFSET);
    }

    /**
     * When it ends at the latest.
     *
     * @return nanoseconds; 0 for no limit
     */
    public long runtimeNanos() {
        return (Long) value(Key.RUNTIME);
    }

    /**
     * Whether it begins again until its time is over. Means something only where there is a time.
     *
     * @return true if so
     */
    public boolean isTimeBased() {
        return flag(Key.TIME_BASED) && runtimeNanos() > 0;
    }

    /**
     * How many clones of it run.
     *
     * @return at least 1
     */
    public int clones() {
        return count(Key.NUMJOBS);
    }

    /**
     * The engine below its loop device.
     *
     * @return the engine
     */
    public EngineName engine() {
        return (EngineName) value(Key.IOENGINE);
    }

    /**
     * What orders the requests of its device.
     *
     * @return the name of an elevator that there is
     */
    public String elevator() {
        return (String) value(Key.IOSCHEDULER);
    }

    /**
     * How many operations it has in flight.
     *
     * @return at least 1
     */
    public int depth() {
        return count(Key.IODEPTH);
    }

    /**
     * The most operations that are submitted together.
     *
     * @return empty if not said; 0 was written for the depth
     */
    public OptionalInt batchSubmit() {
        return optionalCount(Key.IODEPTH_BATCH_SUBMIT);
    }

    /**
     * How many completions it waits for when it can submit no more.
     *
     * @return 0 to look for completions after each submission
     */
    public int batchCompleteMin() {
        return count(Key.IODEPTH_BATCH_COMPLETE_MIN);
    }

    /**
     * The most completions that are taken together.
     *
     * @return empty if not said
     */
    public OptionalInt batchCompleteMax() {
        return optionalCount(Key.IODEPTH_BATCH_COMPLETE_MAX);
    }

    private OptionalInt optionalCount(Key key) {
        Object value = find(key);
        return value == null ? OptionalInt.empty() : OptionalInt.of((Integer) value);
    }

    /**
     * Whether its device goes past the page cache.
     *
     * @return true if so
     */
    public boolean isDirect() {
        return flag(Key.DIRECT);
    }

    /**
     * How many threads do the blocking I/O of its loop device.
     *
     * @return empty if not said
     */
    public OptionalInt workers() {
        return optionalCount(Key.WORKERS);
    }

    /**
     * The name of the device that one of its clones uses. Without the key it is a device of its own, named as fio names files.
     *
     * @param clone from 0
     * @return a name that means something only inside the command
     */
    public String deviceName(int clone) {
        Object named = find(Key.FILENAME);
        return named != null ? (String) named : name + "." + clone + ".0";
    }

    /**
     * Whether it is reported together with other jobs that say so.
     *
     * @return true if so
     */
    public boolean isGroupReporting() {
        return flag(Key.GROUP_REPORTING);
    }

    /**
     * After how many writes there is a flush.
     *
     * @return 0 for never
     */
    public int flushEvery() {
        return count(Key.FSYNC);
    }

    /**
     * Whether its data carries checksums.
     *
     * @return true for crc32c
     */
    public boolean isVerified() {
        return flag(Key.VERIFY);
    }

    /**
     * Whether a job that writes reads back what it wrote.
     *
     * @return true if so; means something only for a verified job
     */
    public boolean isReadBack() {
        return flag(Key.DO_VERIFY);
    }

    /**
     * What its random numbers begin with.
     *
     * @return the seed
     */
    public long seed() {
        return (Long) value(Key.RANDSEED);
    }

    /**
     * Whether random offsets may repeat before all were used.
     *
     * @return false if each block is used once
     */
    public boolean mayRepeatOffsets() {
        return flag(Key.NORANDOMMAP);
    }

    /**
     * Whether to do without latencies.
     *
     * @return true if the clock is to be read rarely
     */
    public boolean isClockReduced() {
        return flag(Key.GTOD_REDUCE);
    }
}
