package io.blkmq.tools.job;

import io.blkmq.rbd.RbdAddress;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A job as its section and the global ones before it describe it. Immutable. */
public final class JobSpec {
    private static final int WHOLE = 100;
    private static final Map<Key, Key> OPPOSITES = Map.of(Key.DIRECT, Key.BUFFERED, Key.BUFFERED, Key.DIRECT,
            Key.RWMIXREAD, Key.RWMIXWRITE, Key.RWMIXWRITE, Key.RWMIXREAD);

    private final String name;
    private final Location location;
    private final Map<Key, Setting> settings;
    private final Set<String> unused;

    /** A value, how it was written, and where. */
    record Setting(Object value, String text, Location location) {}

    JobSpec(String section, Location location, Map<Key, Setting> settings, Set<String> unused) {
        Setting named = settings.get(Key.NAME);
        this.name = named == null ? section : (String) named.value;
        this.location = location;
        this.unused = Set.copyOf(unused);
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
        JobSpec changed = new JobSpec(name, location, settings, unused);
        put(changed.settings, key, parse(key, key.keyName(), text, origin));
        return changed;
    }

    /** Adds a setting. Of a key and its opposite the last one holds. */
    static void put(Map<Key, Setting> settings, Key key, Setting setting) {
        settings.put(key, setting);
        Key opposite = OPPOSITES.get(key);
        if (opposite != null) {
            settings.remove(opposite);
        }
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

    /**
     * The keys of the job that are read and have no effect.
     *
     * @return their names
     */
    public Set<String> unusedKeys() {
        return unused;
    }

    /**
     * Whether something was written for a key.
     *
     * @param key which
     * @return false if its default holds
     */
    public boolean has(Key key) {
        return settings.containsKey(key);
    }

    private @Nullable Object find(Key key) {
        Setting setting = settings.get(key);
        return setting == null ? key.defaultValue() : setting.value;
    }

    private Object value(Key key) {
        return Objects.requireNonNull(find(key), key.keyName());
    }

    /**
     * The value of a key that is 0 or 1.
     *
     * @param key which
     * @return true for 1
     */
    public boolean flag(Key key) {
        return Boolean.TRUE.equals(find(key));
    }

    /**
     * The value of a key that is a number.
     *
     * @param key which
     * @return the number
     */
    public int count(Key key) {
        return (Integer) value(key);
    }

    /**
     * The value of a key that is a size, a time in nanoseconds, or a large number.
     *
     * @param key which
     * @return bytes, nanoseconds or the number
     */
    public long amount(Key key) {
        return (Long) value(key);
    }

    /**
     * The value of a key that is a number with a fraction.
     *
     * @param key which
     * @return the number
     */
    public double decimal(Key key) {
        return (Double) value(key);
    }

    /**
     * The value of a key that is a text or one of some words.
     *
     * @param key which
     * @return the text; of words that mean the same, the first
     */
    public String word(Key key) {
        return (String) value(key);
    }

    /**
     * The value of a key that has no default.
     *
     * @param key which
     * @return empty if the job does not mention it
     */
    public Optional<Object> optional(Key key) {
        return Optional.ofNullable(find(key));
    }

    /**
     * The value of a key that has one for each direction.
     *
     * @param key which
     * @param direction of what
     * @return bytes, nanoseconds or a number
     */
    public long amount(Key key, Direction direction) {
        return ((Number) ((ByDirection<?>) value(key)).of(direction)).longValue();
    }

    /**
     * What it does.
     *
     * @return the pattern; of a job that only verifies, that which reads where the job would write
     */
    public AccessPattern accessPattern() {
        AccessPattern planned = plannedPattern();
        return !flag(Key.VERIFY_ONLY) || !planned.writes()
                ? planned
                : planned.isRandom() ? AccessPattern.RANDREAD : AccessPattern.READ;
    }

    /**
     * What it would do if it did not only verify.
     *
     * @return the pattern that is written
     */
    public AccessPattern plannedPattern() {
        return ((AccessPattern.Modified) value(Key.RW)).pattern();
    }

    /**
     * Whether it writes nothing, and reads and checks what it would write.
     *
     * @return false also for a job that writes nothing anyway
     */
    public boolean verifiesOnly() {
        return flag(Key.VERIFY_ONLY) && isVerified() && plannedPattern().writes();
    }

    /**
     * The number behind the pattern.
     *
     * @return 0 if there is none
     */
    public long patternModifier() {
        return ((AccessPattern.Modified) value(Key.RW)).modifier();
    }

    /**
     * How many of a mixed job's operations are, or would be, reads.
     *
     * @return percent
     */
    public int readPercent() {
        AccessPattern pattern = plannedPattern();
        if (!pattern.isMixed()) {
            return pattern.reads() ? WHOLE : 0;
        }
        if (has(Key.RWMIXWRITE)) {
            return WHOLE - count(Key.RWMIXWRITE);
        }
        return has(Key.RWMIXREAD) ? count(Key.RWMIXREAD) : WHOLE / 2;
    }

    /**
     * How long its operations of a direction are: weights go before a range, and a range before a fixed size.
     *
     * @param direction which
     * @return the sizes
     */
    public BlockSizes blockSizes(Direction direction) {
        return plannedSizes(verifiesOnly() && direction == Direction.READ ? Direction.WRITE : direction);
    }

    /**
     * How long they would be if it did not only verify.
     *
     * @param direction which
     * @return the sizes
     */
    public BlockSizes plannedSizes(Direction direction) {
        Object sizes = find(Key.BSSPLIT);
        if (sizes == null) {
            sizes = find(Key.BSRANGE);
        }
        if (sizes == null) {
            sizes = value(Key.BS);
        }
        return (BlockSizes) ((ByDirection<?>) sizes).of(direction);
    }

    /**
     * The longest operation of those that the job has.
     *
     * @return bytes
     */
    public int blockBytesMax() {
        int max = 0;
        for (Direction direction : Direction.values()) {
            boolean reads = direction == Direction.READ && isReadBack();
            if (accessPattern().has(direction)) {
                max = Math.max(max, blockSizes(direction).max());
            } else if (reads) {
                max = Math.max(max, blockSizes(Direction.WRITE).max());
            }
        }
        return max;
    }

    /**
     * How long its part of the device is.
     *
     * @return empty for the rest of the device
     */
    public Optional<Extent> size() {
        return Optional.ofNullable((Extent) find(Key.SIZE));
    }

    /**
     * How many bytes it moves, if that is not the size of its part.
     *
     * @return empty for the size
     */
    public Optional<Extent> ioSize() {
        return Optional.ofNullable((Extent) find(Key.IO_SIZE)).filter(size -> size.value() > 0);
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
     * How much later each further clone begins.
     *
     * @return nothing by default
     */
    public Extent offsetIncrement() {
        return (Extent) value(Key.OFFSET_INCREMENT);
    }

    /**
     * When it ends at the latest.
     *
     * @return nanoseconds; 0 for no limit
     */
    public long runtimeNanos() {
        return amount(Key.RUNTIME);
    }

    /**
     * Whether it begins again until its time is over. Means something only where there is a time, and not where data is only verified:
     * that is done once.
     *
     * @return true if so
     */
    public boolean isTimeBased() {
        return flag(Key.TIME_BASED) && runtimeNanos() > 0 && !verifiesOnly();
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
        return word(Key.IOSCHEDULER);
    }

    /**
     * How many operations it says that it has in flight.
     *
     * @return at least 1
     */
    public int depth() {
        return count(Key.IODEPTH);
    }

    /**
     * A number that has no default.
     *
     * @param key which
     * @return empty if not said
     */
    public OptionalInt optionalCount(Key key) {
        Object value = find(key);
        return value == null ? OptionalInt.empty() : OptionalInt.of((Integer) value);
    }

    /**
     * Whether its device goes past the page cache: what was said last, of the key and its opposite.
     *
     * @return true if so
     */
    public boolean isDirect() {
        return has(Key.DIRECT) ? flag(Key.DIRECT) : has(Key.BUFFERED) && !flag(Key.BUFFERED);
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
     * The names of the devices that one of its clones uses. Without the key it is one device of its own, named as fio names files.
     *
     * @param clone from 0
     * @return names that mean something only inside the command
     */
    public List<String> deviceNames(int clone) {
        List<String> directories = names(Key.DIRECTORY);
        String directory = directories.isEmpty() ? "" : directories.get(clone % directories.size()) + "/";
        List<String> named = names(Key.FILENAME);
        if (!named.isEmpty()) {
            return named.stream().map(file -> directory + file).toList();
        }
        if (engine() == EngineName.RBD && has(Key.RBDNAME)) {
            // All clones, and all jobs on the image, share it: it is locked for one client.
            return List.of(value(Key.POOL) + "/" + value(Key.RBDNAME));
        }
        return List
                .of(directory + word(Key.FILENAME_FORMAT).replace("$jobname", name).replace("$clientuid", "localhost")
                        .replace("$jobnum", Integer.toString(clone)).replace("$filenum", "0"));
    }

    /**
     * The image on Ceph that it runs on where its device is not attached.
     *
     * @return empty for another engine
     * @throws UsageException if pool or image are not said, or cannot be names
     */
    public Optional<RbdAddress> image() throws UsageException {
        if (engine() != EngineName.RBD) {
            return Optional.empty();
        }
        for (Key key : List.of(Key.POOL, Key.RBDNAME)) {
            if (!has(key)) {
                throw new UsageException(location(Key.IOENGINE), "job " + name + ": ioengine=rbd needs " + key.keyName()
                        + "=, or a device that is attached: --attach NAME=rbd:POOL/IMAGE");
            }
        }
        try {
            return Optional.of(RbdAddress.of(word(Key.POOL), word(Key.RBDNAME), null, word(Key.CLIENTNAME)));
        } catch (IllegalArgumentException e) {
            throw new UsageException(location(Key.RBDNAME), "job " + name + ": " + e.getMessage());
        }
    }

    @SuppressWarnings("unchecked") // the key's parser makes a list of names
    private List<String> names(Key key) {
        Object names = find(key);
        return names == null ? List.of() : (List<String>) names;
    }

    /**
     * How many files its image stands for.
     *
     * @return 1 for a job that names its devices
     */
    public int files() {
        return has(Key.FILENAME) ? 1 : count(Key.NRFILES);
    }

    /**
     * Which file or device is next.
     *
     * @return one after the other by default
     */
    public FileService fileService() {
        return (FileService) value(Key.FILE_SERVICE_TYPE);
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
        int each = count(Key.FSYNC);
        return each != 0 ? each : count(Key.FDATASYNC);
    }

    /**
     * How its data is verified.
     *
     * @return the method
     */
    public VerifyMethod verification() {
        return (VerifyMethod) value(Key.VERIFY);
    }

    /**
     * Whether its data is verified.
     *
     * @return true if there is a method
     */
    public boolean isVerified() {
        return verification() != VerifyMethod.NONE;
    }

    /**
     * Whether it reads back what it wrote.
     *
     * @return true if it is verified, writes, and is not told to leave that
     */
    public boolean isReadBack() {
        return isVerified() && flag(Key.DO_VERIFY) && accessPattern().writes();
    }

    /**
     * What its random numbers begin with.
     *
     * @return the seed
     */
    public long seed() {
        return amount(Key.RANDSEED);
    }

    /**
     * How random offsets are spread.
     *
     * @return the distribution
     */
    public Distribution distribution() {
        return (Distribution) value(Key.RANDOM_DISTRIBUTION);
    }

    /**
     * Whether random offsets may repeat before all were used.
     *
     * @return false if each block is used once
     */
    public boolean mayRepeatOffsets() {
        return flag(Key.NORANDOMMAP) || distribution().kind() != Distribution.Kind.RANDOM || has(Key.BLOCKALIGN);
    }

    /**
     * Whether to do without latencies.
     *
     * @return true if the clock is to be read rarely
     */
    public boolean isClockReduced() {
        return flag(Key.GTOD_REDUCE);
    }

    /**
     * Which percentiles are reported.
     *
     * @return above 0 up to 100, in order
     */
    public double[] percentiles() {
        return ((double[]) value(Key.PERCENTILE_LIST)).clone();
    }
}
