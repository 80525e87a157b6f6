package io.blkmq.tools.job;

import io.blkmq.aio.AioEngineConfig;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.TagSet;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The keys of a job file that have an effect: their names, what their values look like, what holds when a job does not mention
 * them, and what they do. The table of docs/guide/blkmq-run.md is this one; a test compares the two. Keys of fio that are read and
 * have no effect are in {@link UnusedKeys}, those that are refused in {@link RefusedKeys}.
 */
@SuppressWarnings("ImmutableEnumChecker") // the lists are unmodifiable, and the parsers keep nothing
public enum Key {
    // ---- what the job does
    /** What the job does. */
    RW(new ValueType("pattern, or pattern:N", false, AccessPattern::parse), "read",
            """
                what the job does: `read`, `write`, `trim`, `randread`, `randwrite`, `randtrim`, `rw` (`readwrite`), `randrw`, \
                `trimwrite`, `randtrimwrite`. With `:N`, a random job takes a new offset for every N operations only; a sequential \
                one leaves N bytes out after each operation, or with a negative N goes backwards""",
            "rw", "readwrite"),
    /** What {@code rw=...:N} does. */
    RW_SEQUENCER(ValueType.words("sequential", "identical"), "sequential",
            "the operations between two new offsets of `rw=randread:N` follow each other, or all have the same offset",
            "rw_sequencer"),
    /** Percentage of reads in a mixed job. */
    RWMIXREAD(ValueType.PERCENT, null, "how many operations of a mixed job are reads (50)", "rwmixread"),
    /** Percentage of writes in a mixed job. */
    RWMIXWRITE(ValueType.PERCENT, null,
            "how many operations of a mixed job are writes; of this and `rwmixread` the last one holds", "rwmixwrite"),
    /** Length of an operation. */
    BS(new ValueType("bytes, by direction", false, BlockSizes::parse), "4k", "the length of an operation", "bs",
            "blocksize"),
    /** Range of lengths. */
    BSRANGE(new ValueType("bytes-bytes, by direction", false, BlockSizes::parseRange), null,
            "operations have any length of the range that is a multiple of its lower end; goes before `bs`", "bsrange",
            "blocksize_range"),
    /** Lengths with weights. */
    BSSPLIT(new ValueType("bytes/%:bytes/%, by direction", false, BlockSizes::parseSplit), null,
            "so many percent of the operations have that length; goes before `bsrange`", "bssplit"),
    /** What offsets are multiples of. */
    BLOCKALIGN(ValueType.SIZES, "0", "random offsets are multiples of this, and not of the block size; without a map",
            "blockalign", "ba"),
    /** How long the job's part of the device is. */
    SIZE(new ValueType("bytes or %", false, Key::notEmpty), null,
            "how long the job's part of the device is, and how many bytes it moves. Without it, the rest of the device. Beside `filesize` only how many bytes it moves",
            "size"),
    /** How many bytes the job moves. */
    IO_SIZE(ValueType.EXTENT, null, "how many bytes it moves, if not `size`", "io_size", "io_limit"),
    /** Where its part of the device begins. */
    OFFSET(ValueType.EXTENT, "0",
            "where the job's part of the device begins; a percentage is rounded up to the block size", "offset"),
    /** What a percentage is rounded up to. */
    OFFSET_ALIGN(ValueType.SIZE, "0", "a percentage of `offset` is rounded up to this", "offset_align"),
    /** How far the parts of clones are apart. */
    OFFSET_INCREMENT(ValueType.EXTENT, "0", "each further clone of the job begins so much later", "offset_increment"),
    /** The most operations. */
    NUMBER_IOS(new ValueType("number", false, Quantity::bytes), "0", "the job ends after so many operations",
            "number_ios"),
    /** How often it does all that. */
    LOOPS(ValueType.count(1, Integer.MAX_VALUE), "1", "the job is done so many times", "loops"),

    // ---- time and order
    /** When it ends at the latest. */
    RUNTIME(ValueType.SECONDS, "0", "the job ends after that time at the latest", "runtime", "timeout"),
    /** Whether it begins again until its time is over. */
    TIME_BASED(ValueType.FLAG, "0", "it begins again until its `runtime` is over", "time_based"),
    /** How long it runs before it is measured. */
    RAMP_TIME(ValueType.SECONDS, "0", "it runs so long before anything is counted", "ramp_time"),
    /** When it begins. */
    STARTDELAY(new ValueType("time or time-time, in s", false, DelayRange::parse), "0",
            "it begins so much later; of a range, at a random time", "startdelay", "start_delay"),
    /** Whether it waits for all before it. */
    STONEWALL(ValueType.FLAG, "0", "it begins when all jobs before it have ended, in a new group", "stonewall",
            "wait_for_previous"),
    /** Whom it waits for. */
    WAIT_FOR(ValueType.TEXT, null, "it begins when all clones of the job of that name have ended", "wait_for"),
    /** Whether the others end with it. */
    EXITALL(ValueType.FLAG, "0", "the jobs of its group end when this one does", "exitall"),
    /** Which others. */
    EXIT_WHAT(ValueType.words("group", "all", "stonewall"), "group",
            "which jobs `exitall` ends: those of its group, or all; `stonewall` is `group`", "exit_what"),
    /** Whether the others end with it if it fails. */
    EXITALL_ON_ERROR(ValueType.FLAG, "0", "the same, if it fails", "exitall_on_error"),
    /** How many do the same. */
    NUMJOBS(ValueType.count(1, Key.JOBS_MAX), "1", "so many clones of the job run", "numjobs"),

    // ---- the device
    /** Names of devices, inside the command. */
    FILENAME(ValueType.NAMES, null,
            """
                the names of the job's devices. A name means something only inside the command (see `--attach`); `\\:` is a colon in \
                a name. Without it each clone has a temporary image of its own""",
            "filename"),
    /** What stands before names. */
    DIRECTORY(ValueType.NAMES, null, "stands before the names of devices, and is only a part of the name", "directory"),
    /** What the device of a clone is called. */
    FILENAME_FORMAT(ValueType.TEXT, "$jobname.$jobnum.$filenum",
            "the name of a device where there is no `filename`; `$jobname`, `$jobnum` and `$filenum` are replaced",
            "filename_format"),
    /** Into how many files the job's part is divided. */
    NRFILES(ValueType.count(1, 1 << 20), "1",
            "the job's temporary image stands for so many files, which lie in it one behind the other", "nrfiles"),
    /** How long each is. */
    FILESIZE(new ValueType("bytes or bytes-bytes", false, SizeRange::parse), null,
            "the size of each of them; of a range, a random one", "filesize"),
    /** Which one is next. */
    FILE_SERVICE_TYPE(new ValueType("roundrobin, sequential or random, with :N", false, FileService::parse),
            "roundrobin", "which file or device the next N operations go to", "file_service_type"),
    /** Whether a mounted block device of the host may be written. */
    ALLOW_MOUNTED_WRITE(ValueType.FLAG, "0", "lets the job write to an attached block device that is mounted",
            "allow_mounted_write"),
    /** Whether the page cache is dropped before. */
    INVALIDATE(ValueType.FLAG, "1",
            "pages of the file are dropped from the page cache before the job begins, and before it reads back",
            "invalidate"),
    /** Whether the loop device goes past the page cache. */
    DIRECT(ValueType.FLAG, null, "the device goes past the page cache", "direct"),
    /** The opposite. */
    BUFFERED(ValueType.FLAG, null, "the opposite of `direct`; the last of the two holds", "buffered"),
    /** The engine below the loop device. */
    IOENGINE(new ValueType("engine", false, EngineName::parse), "psync",
            "the engine below the device; means nothing for `mem:`, `null:`, exports and images on Ceph", "ioengine"),
    /** The image of a job on Ceph. */
    RBDNAME(ValueType.TEXT, null, "with `ioengine=rbd` and no `--attach`: the image", "rbdname"),
    /** Its pool. */
    POOL(ValueType.TEXT, null, "the pool of that image", "pool"),
    /** Who uses it. */
    CLIENTNAME(ValueType.TEXT, "admin", "the user of Ceph, without `client.`", "clientname"),
    /** What orders the requests of the device. */
    IOSCHEDULER(new ValueType("elevator", false, Key::elevator), Elevators.NONE,
            "the elevator of the device: `none`, `mq-deadline` or `kyber`", "ioscheduler"),
    /** How many threads do the blocking I/O of a loop device. */
    WORKERS(ValueType.count(1, AioEngineConfig.WORKERS_MAX), null,
            "how many threads do the blocking I/O of the device. Not a key of fio", "workers"),

    // ---- operations in flight
    /** Operations in flight. */
    IODEPTH(ValueType.count(1, TagSet.DEPTH_MAX), "1",
            "how many operations are in flight; one where the engine is a blocking call", "iodepth"),
    /** The most operations submitted together. */
    IODEPTH_BATCH_SUBMIT(ValueType.count(0, TagSet.DEPTH_MAX), "1",
            "how many operations are submitted together, at most 32; 0 for `iodepth`", "iodepth_batch_submit",
            "iodepth_batch"),
    /** The least completions waited for. */
    IODEPTH_BATCH_COMPLETE_MIN(ValueType.count(0, TagSet.DEPTH_MAX), "1",
            "how many completions are waited for; 0 only looks for them", "iodepth_batch_complete_min",
            "iodepth_batch_complete"),
    /** The most completions taken together. */
    IODEPTH_BATCH_COMPLETE_MAX(ValueType.count(0, TagSet.DEPTH_MAX), null,
            "how many completions are taken together; as many as are waited for, if it is not given",
            "iodepth_batch_complete_max"),
    /** Where filling begins again. */
    IODEPTH_LOW(ValueType.count(0, TagSet.DEPTH_MAX), "0",
            "a full queue is filled again when no more than so many are left in flight", "iodepth_low"),
    /** How long there is nothing between operations. */
    THINKTIME(ValueType.MICROS, "0", "the job waits so long after `thinktime_blocks` operations", "thinktime"),
    /** How much of that is work. */
    THINKTIME_SPIN(ValueType.MICROS, "0", "so much of `thinktime` is spent on the processor", "thinktime_spin"),
    /** After how many. */
    THINKTIME_BLOCKS(ValueType.count(1, Integer.MAX_VALUE), "1", "see `thinktime`", "thinktime_blocks"),
    /** Whether a rate is made up for after thinking. */
    RATE_IGNORE_THINKTIME(ValueType.FLAG, "0", "with 1, what `thinktime` has cost is not made up for to keep a rate",
            "rate_ignore_thinktime"),
    /** Bytes a second at the most. */
    RATE(ValueType.SIZES, "0", "the most bytes a second", "rate"),
    /** Bytes a second at the least. */
    RATE_MIN(ValueType.SIZES, "0", "the job fails if it moves fewer bytes a second", "rate_min", "ratemin"),
    /** Operations a second at the most. */
    RATE_IOPS(ValueType.RATES, "0", "the most operations a second", "rate_iops"),
    /** Operations a second at the least. */
    RATE_IOPS_MIN(ValueType.RATES, "0", "the job fails if it does fewer operations a second", "rate_iops_min"),
    /** How operations are spread over time. */
    RATE_PROCESS(ValueType.words("linear", "poisson"), "linear",
            "rated operations come at even intervals, or as a Poisson process", "rate_process"),
    /** How long an average is. */
    RATE_CYCLE(ValueType.MILLIS, "1000", "`rate_min` is looked at so often", "rate_cycle", "ratecycle"),
    /** The longest latency. */
    MAX_LATENCY(ValueType.MICROS_BY_DIRECTION, "0", "the job fails with ETIMEDOUT if an operation takes longer",
            "max_latency"),
    /** The latency that a depth is looked for. */
    LATENCY_TARGET(ValueType.MICROS, "0",
            "looks for the greatest depth, up to `iodepth`, whose operations take no longer, and tells it",
            "latency_target"),
    /** How long a depth is tried. */
    LATENCY_WINDOW(ValueType.MICROS, "0", "each depth is tried so long", "latency_window"),
    /** How many may take longer. */
    LATENCY_PERCENTILE(ValueType.DECIMAL_PERCENT, "100",
            "so many percent of the operations have to meet `latency_target`", "latency_percentile"),
    /** Whether the job goes on. */
    LATENCY_RUN(ValueType.FLAG, "0", "the job goes on at the depth found, until its other end", "latency_run"),
    /** The share in a flow. */
    FLOW(ValueType.count(0, 1_000_000), "0",
            "jobs of the same `flow_id` do operations in proportion to this, while they run at the same time; 0 for none",
            "flow"),
    /** Which flow. */
    FLOW_ID(ValueType.count(0, Integer.MAX_VALUE), "0", "see `flow`", "flow_id"),
    /** How long a job waits that is ahead. */
    FLOW_SLEEP(ValueType.MICROS, "0", "a job that is ahead of the others looks so often whether it may go on",
            "flow_sleep"),
    /** When the job is steady. */
    SS(new ValueType("iops, bw or lat, or with _slope, :limit or :limit%", false, SteadyGoal::parse), null,
            """
                the job ends when it is steady: for `ss_dur` no measurement was farther from their mean than the limit, or (`_slope`) \
                their line of best fit rises or falls no more from one to the next. With %, of the mean. Limits of `bw` are bytes a \
                second, of `lat` nanoseconds""",
            "ss", "steadystate"),
    /** How long it has to be steady. */
    SS_DUR(ValueType.SECONDS, "0", "see `ss`", "ss_dur", "steadystate_duration"),
    /** How long it runs before. */
    SS_RAMP(ValueType.SECONDS, "0", "so long after its begin the job is measured for the first time", "ss_ramp",
            "steadystate_ramp_time"),
    /** How long a measurement is. */
    SS_INTERVAL(ValueType.SECONDS, "1", "how long a measurement of `ss` takes", "ss_interval",
            "steadystate_check_interval"),

    // ---- durability
    /** After how many writes there is a flush. */
    FSYNC(ValueType.count(0, Integer.MAX_VALUE), "0", "a flush after so many writes", "fsync"),
    /** The same. */
    FDATASYNC(ValueType.count(0, Integer.MAX_VALUE), "0", "the same: a disk's flush is of its data", "fdatasync"),
    /** Whether there is one at the end. */
    END_FSYNC(ValueType.FLAG, "0", "a flush when the job has written everything", "end_fsync"),
    /** The same. */
    FSYNC_ON_CLOSE(ValueType.FLAG, "0", "the same", "fsync_on_close"),
    /** Whether writes return when they are durable. */
    SYNC(ValueType.words("none 0", "sync 1", "dsync"), "none", "each write is durable when it ends (FUA)", "sync",
            "dsync"),

    // ---- offsets
    /** What random numbers begin with. */
    RANDSEED(ValueType.SEED, "305441741", "what random numbers begin with", "randseed"),
    /** Whether each run has the same. */
    RANDREPEAT(ValueType.FLAG, "1", "with 0, random numbers are others in each run", "randrepeat"),
    /** Whether each run has the same. */
    ALLRANDREPEAT(ValueType.FLAG, "1", "the same", "allrandrepeat"),
    /** Whether random offsets may repeat before all were used. */
    NORANDOMMAP(ValueType.FLAG, "0", "random offsets may repeat before all were used", "norandommap"),
    /** Whether that is so where a map is too large. */
    SOFTRANDOMMAP(ValueType.FLAG, "0", "the same, only where a map of offsets would be too large", "softrandommap"),
    /** How random offsets are spread. */
    RANDOM_DISTRIBUTION(new ValueType("distribution", false, Distribution::parse), "random",
            """
                how random offsets are spread: `random`, `zipf:THETA`, `pareto:POWER`, `normal:PERCENT`, `zoned:ACCESS%/SIZE%:...`, \
                `zoned_abs:ACCESS%/SIZE:...`; all but the first without a map""",
            "random_distribution"),
    /** How many are random. */
    PERCENTAGE_RANDOM(ValueType.PERCENTS, "100", "so many operations of a random job are random, the others follow",
            "percentage_random"),

    // ---- data
    /** Whether written data is zeroes. */
    ZERO_BUFFERS(ValueType.FLAG, "0", "written data is zeroes, and not random", "zero_buffers"),
    /** What written data is. */
    BUFFER_PATTERN(ValueType.PATTERN, null, "written data is this, again and again", "buffer_pattern"),
    /** How much smaller it can be made. */
    BUFFER_COMPRESS_PERCENTAGE(ValueType.PERCENT, "0", "so much of each block is zeroes (or the pattern)",
            "buffer_compress_percentage"),
    /** How many blocks are the same. */
    DEDUPE_PERCENTAGE(ValueType.PERCENT, "0", "so many blocks are the same as one before; implies `refill_buffers`",
            "dedupe_percentage"),
    /** Whether each write has new data. */
    REFILL_BUFFERS(ValueType.FLAG, "0", "each write has new random data", "refill_buffers"),

    // ---- verification
    /** How data is verified. */
    VERIFY(new ValueType("method", false, VerifyMethod::parse), "0",
            """
                each block carries a header of fio and a checksum: `crc32c`, `crc32`, `crc64`, `crc16`, `crc7`, `md5`, `sha1`, `sha256`, \
                `sha512`, `sha3-224`, `sha3-256`, `sha3-384`, `sha3-512`, `xxhash`, `meta` (the header alone), `pattern` (no header); \
                what a job has written it reads back and checks""",
            "verify"),
    /** Whether a job that writes reads back what it wrote. */
    DO_VERIFY(ValueType.FLAG, "1", "with 0, a job that writes reads nothing back", "do_verify"),
    /** Whether nothing is written. */
    VERIFY_ONLY(ValueType.FLAG, "0", "nothing is written: what the job would write is read and checked, once",
            "verify_only"),
    /** How far headers are apart. */
    VERIFY_INTERVAL(ValueType.SIZE, "0", "a header each so many bytes, and not in each block", "verify_interval",
            "header_interval"),
    /** What is behind the header. */
    VERIFY_PATTERN(ValueType.PATTERN, null, "what is in a block behind its header; all of it with `verify=pattern`",
            "verify_pattern"),
    /** Whether the first bad block ends the job. */
    VERIFY_FATAL(ValueType.FLAG, "0", "the first bad block ends the job", "verify_fatal"),
    /** After how many writes there is a look. */
    VERIFY_BACKLOG(ValueType.count(0, Integer.MAX_VALUE), "0", "after so many writes they are read back",
            "verify_backlog"),
    /** How many then. */
    VERIFY_BACKLOG_BATCH(ValueType.count(0, Integer.MAX_VALUE), "0",
            "so many of them then; 0 for all, the rest at the end", "verify_backlog_batch"),
    /** Whether errors end the job. */
    CONTINUE_ON_ERROR(ValueType.words("none 0", "read", "write", "io", "verify", "all 1"), "verify",
            "which errors do not end the job", "continue_on_error"),

    // ---- the report
    /** Words about the job. */
    DESCRIPTION(ValueType.TEXT, null, "words about the job, for the report", "description"),
    /** What it is called. */
    NAME(ValueType.TEXT, null, "the job's name, if not that of its section", "name"),
    /** Whether the job is reported together with the others. */
    GROUP_REPORTING(ValueType.FLAG, "0", "the jobs of a group are reported as one", "group_reporting"),
    /** Whether a group begins. */
    NEW_GROUP(ValueType.FLAG, "0", "a group begins with this job", "new_group"),
    /** Whether to do without most readings of the clock. */
    GTOD_REDUCE(ValueType.FLAG, "0", "no latencies, and the clock is read once in some hundred operations",
            "gtod_reduce"),
    /** Whether to do without latencies. */
    DISABLE_LAT(ValueType.FLAG, "0", "total latencies are not reported", "disable_lat"),
    /** Whether to do without latencies. */
    DISABLE_CLAT(ValueType.FLAG, "0", "completion latencies are not reported", "disable_clat"),
    /** Whether to do without latencies. */
    DISABLE_SLAT(ValueType.FLAG, "0", "submission latencies are not reported", "disable_slat"),
    /** Percentiles. */
    CLAT_PERCENTILES(ValueType.FLAG, "1", "percentiles of completion latencies", "clat_percentiles"),
    /** Percentiles. */
    LAT_PERCENTILES(ValueType.FLAG, "0", "percentiles of total latencies", "lat_percentiles"),
    /** Percentiles. */
    SLAT_PERCENTILES(ValueType.FLAG, "0", "percentiles of submission latencies", "slat_percentiles"),
    /** Which. */
    PERCENTILE_LIST(ValueType.PERCENTILES, "1:5:10:20:30:40:50:60:70:80:90:95:99:99.5:99.9:99.95:99.99",
            "which percentiles", "percentile_list"),
    /** Whether directions are reported together. */
    UNIFIED_RW_REPORTING(ValueType.words("none 0", "mixed 1", "both 2"), "none",
            "reads, writes and trims are reported together (`mixed`), or also together (`both`)",
            "unified_rw_reporting"),
    /** Where bandwidth goes. */
    WRITE_BW_LOG(ValueType.LOG, null,
            "a log of the bandwidth, in `NAME_bw.N.log`. Without a NAME it is the job's, here and in other logs",
            "write_bw_log"),
    /** Where latencies go. */
    WRITE_LAT_LOG(ValueType.LOG, null, "logs of latencies, in `NAME_slat.N.log`, `NAME_clat.N.log`, `NAME_lat.N.log`",
            "write_lat_log"),
    /** Where operations a second go. */
    WRITE_IOPS_LOG(ValueType.LOG, null, "a log of the operations a second, in `NAME_iops.N.log`", "write_iops_log"),
    /** What a line of a log stands for. */
    LOG_AVG_MSEC(ValueType.MILLIS, "0",
            "a line of a log is the mean over that time; with 0, of one operation, and of bandwidth and operations a second over 500 ms",
            "log_avg_msec"),
    /** Whether it is the greatest. */
    LOG_MAX_VALUE(ValueType.FLAG, "0", "a line of a log is the greatest value, and not the mean", "log_max_value"),
    /** Whether offsets are in logs. */
    LOG_OFFSET(ValueType.FLAG, "0", "a line of a log has the operation's offset", "log_offset"),
    /** Whether each clone has a file. */
    PER_JOB_LOGS(ValueType.FLAG, "1", "with 0, jobs share logs, one behind the other, and the names have no number",
            "per_job_logs");

    /** The most clones of a job. */
    static final int JOBS_MAX = 1024;

    private final List<String> names;
    private final ValueType type;
    private final @Nullable String defaultText;
    private final String meaning;

    Key(ValueType type, @Nullable String defaultText, String meaning, String... names) {
        this.names = List.of(names);
        this.type = type;
        this.defaultText = defaultText;
        this.meaning = meaning;
    }

    private static final Map<String, Key> BY_NAME = Arrays.stream(values())
            .flatMap(key -> key.names.stream().map(name -> Map.entry(name, key)))
            .collect(Collectors.toUnmodifiableMap(Map.Entry::getKey, Map.Entry::getValue));

    /** The key of that name or alias. */
    public static @Nullable Key find(String name) {
        return BY_NAME.get(name);
    }

    /**
     * Its name.
     *
     * @return the first of its names in a job file
     */
    public String keyName() {
        return names.getFirst();
    }

    /**
     * All its names.
     *
     * @return as in a job file
     */
    public List<String> names() {
        return names;
    }

    /**
     * What its values look like.
     *
     * @return for people, with the unit
     */
    public String valueText() {
        return type.text();
    }

    /**
     * What holds when a job does not mention it.
     *
     * @return as in a job file; null if nothing does
     */
    public @Nullable String defaultText() {
        return defaultText;
    }

    /**
     * What it does.
     *
     * @return for people, in Markdown
     */
    public String meaning() {
        return meaning;
    }

    /** The value that a text stands for. */
    Object parse(String text) {
        return type.parser().apply(text);
    }

    /** The value of a job that does not mention the key, null if there is none. */
    @Nullable
    Object defaultValue() {
        return defaultText == null ? null : parse(defaultText);
    }

    /**
     * Whether the key alone, without a value, means 1.
     *
     * @return true of keys that say yes or no
     */
    public boolean isFlag() {
        return type.flag();
    }

    /** What the key alone, without a value, means; null if it needs one. */
    @Nullable
    String textAlone() {
        return type.flag() ? "1" : type.optional() ? "" : null;
    }

    private static Object notEmpty(String text) {
        Extent size = Extent.parse(text);
        if (size.value() == 0) {
            throw new IllegalArgumentException("at least one block is needed");
        }
        return size;
    }

    private static Object elevator(String text) {
        String name = text.strip();
        // Throws with the names that there are.
        Elevators.named(name);
        return name;
    }
}
