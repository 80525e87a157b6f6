package io.blkmq.tools.job;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The keys of fio that are read and have no effect here, each with its reason: what they ask for is so anyway, or is about something
 * that blkmq does not have and that changes no result. Values that would change one are refused. A run says in one line which of them its jobs have.
 */
public final class UnusedKeys {
    private static final Set<String> FLAGS = Set.of("thread", "process", "overwrite", "unlink", "experimental_verify",
            "fill_device", "serialize_overlap", "hipri", "registerfiles", "fixedbufs", "sqthread_poll", "nonvectored",
            "userspace_reap", "force_async", "nowait", "dedupe_global", "pre_read");
    private static final Map<String, String> REASONS = new LinkedHashMap<>();
    /** The one value of a key that changes nothing. */
    private static final Map<String, String> VALUES = new LinkedHashMap<>();

    static {
        reason("jobs are threads of one JVM", "thread", "threads", "process");
        reason("no file is created by a job; a temporary image is laid out before it runs", "fallocate",
                "create_serialize", "create_fsync", "create_on_open", "allow_file_create", "overwrite", "openfiles",
                "unlink", "unlink_each_loop", "unique_filename", "lockfile", "file_append");
        reason("a disk has a fixed size, and the job ends at its end", "fill_device", "fill_fs");
        reason("an advice to the page cache that does not change what is done", "fadvise_hint", "fadvise", "write_hint",
                "uncached");
        reason("the JVM's clock is used", "clocksource", "gtod_cpu", "clock_id");
        reason("threads run where the system puts them; start blkmq with taskset, numactl, nice or ionice",
                "cpus_allowed", "cpumask", "cpus_allowed_policy", "numa_cpu_nodes", "numa_mem_policy", "nice", "prio",
                "prioclass", "uid", "gid", "cgroup", "cgroup_weight", "cgroup_nodelete", "cmdprio_percentage",
                "cmdprio", "cmdprio_class", "cmdprio_bssplit", "cmdprio_hint", "priohint");
        reason("buffers are aligned to pages and handed to the engine as they are", "mem", "iomem", "mem_align",
                "iomem_align", "lockmem", "hugepage-size");
        reason("random numbers are of one kind", "random_generator");
        reason("random data is random in each block anyway", "scramble_buffers", "buffer_compress_chunk", "dedupe_mode",
                "dedupe_working_set_percentage", "dedupe_global");
        reason("blocks are checked by the job's thread", "verify_async", "verify_async_cpus");
        reason("a report names bad blocks, and no files are written for them", "verify_dump", "verify_state_save",
                "experimental_verify", "verifysort", "verifysort_nr", "verify_header_seed", "verify_write_sequence");
        reason("two operations of a verified job never touch the same block at a time", "serialize_overlap");
        reason("logs are written as they come, and not compressed", "log_entries", "log_compression",
                "log_compression_cpus", "log_store_compressed", "log_unix_epoch", "log_alternate_epoch",
                "log_alternate_epoch_clock_id", "log_prio", "log_issue_time", "log_entry_number");
        reason("the mean over `log_avg_msec` is used", "bwavgtime", "iopsavgtime");
        reason("no such log is written", "write_hist_log", "log_hist_msec", "log_hist_coarseness");
        reason("the report has a fixed form", "significant_figures", "disk_util", "disable_bw",
                "disable_bw_measurement", "block_error_percentiles", "stats", "error_dump", "unit_base");
        reason("the job's thread submits; completions come as the device is attached", "io_submit_mode", "hipri",
                "registerfiles", "fixedbufs", "sqthread_poll", "sqthread_poll_cpu", "nonvectored", "userspace_reap",
                "force_async", "nowait", "vectored", "hipri_percentage");
        only("0", "no file is read before a job; read it before blkmq runs, and use invalidate=0", "pre_read");
        only("1024", "`k` is 1024 in all sizes, and `kib` 1000", "kb_base");
        only("complete", "`thinktime` begins when the operations before it have ended", "thinktime_blocks_type");
        reason("completions of an image on Ceph are waited for by an event", "busy_poll");
        reason("Ceph's file of options says which cluster is meant: CEPH_CONF, or :conf= in an address", "clustername");
    }

    private UnusedKeys() {}

    /** Of a key that has an effect in fio with other values. */
    private static void only(String value, String why, String name) {
        REASONS.put(name, why + "; only " + value + " is possible");
        VALUES.put(name, value);
    }

    /** Why a value of such a key is refused, since it would change what a run does; null if it is not. */
    static @Nullable String refusal(String name, @Nullable String text) {
        String possible = VALUES.get(name);
        return possible == null || (text != null && text.strip().equals(possible)) ? null : REASONS.get(name);
    }

    private static void reason(String why, String... names) {
        for (String name : names) {
            REASONS.put(name, why);
        }
    }

    /** Why a key has no effect; null if it is none of these. */
    static @Nullable String find(String name) {
        return REASONS.get(name);
    }

    /** Whether a key is one that fio lets stand alone. */
    static boolean isFlag(String name) {
        return FLAGS.contains(name);
    }

    /**
     * All of them.
     *
     * @return by name, the reason
     */
    public static Map<String, String> all() {
        return Map.copyOf(REASONS);
    }
}
