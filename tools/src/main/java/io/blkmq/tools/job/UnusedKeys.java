package io.blkmq.tools.job;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The keys of fio that are read and have no effect here, each with its reason: what they ask for is so anyway, or is about something
 * that blkmq does not have and that changes no result. A run says in one line which of them its jobs have.
 */
public final class UnusedKeys {
    private static final Set<String> FLAGS = Set.of("thread", "process", "overwrite", "unlink", "experimental_verify",
            "fill_device", "serialize_overlap", "hipri", "registerfiles", "fixedbufs", "sqthread_poll", "nonvectored",
            "userspace_reap", "force_async", "nowait", "dedupe_global");
    private static final Map<String, String> REASONS = new LinkedHashMap<>();

    static {
        reason("jobs are threads of one JVM", "thread", "threads", "process");
        reason("no file is created by a job; a temporary image is laid out before it runs", "fallocate",
                "create_serialize", "create_fsync", "create_on_open", "allow_file_create", "overwrite", "openfiles",
                "unlink", "unlink_each_loop", "unique_filename", "lockfile", "file_append");
        reason("a disk has a fixed size, and the job ends at its end", "fill_device", "fill_fs");
        reason("an advice to the page cache that does not change what is done", "fadvise_hint", "fadvise", "pre_read",
                "write_hint", "uncached");
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
                "disable_bw_measurement", "block_error_percentiles", "stats", "error_dump", "kb_base", "unit_base");
        reason("the job's thread submits; completions come as the device is attached", "io_submit_mode", "hipri",
                "registerfiles", "fixedbufs", "sqthread_poll", "sqthread_poll_cpu", "nonvectored", "userspace_reap",
                "force_async", "nowait", "vectored", "hipri_percentage");
        reason("rates are kept over the whole job", "rate_ignore_thinktime");
        reason("counted when operations end", "thinktime_blocks_type");
        reason("errors are counted by kind", "ignore_error");
        reason("completions of an image on Ceph are waited for by an event", "busy_poll");
        reason("Ceph's file of options says which cluster is meant: CEPH_CONF, or :conf= in an address", "clustername");
    }

    private UnusedKeys() {}

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
