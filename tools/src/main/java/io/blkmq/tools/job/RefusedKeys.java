package io.blkmq.tools.job;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The keys of fio that are refused, since a run that left them out would not be what was asked for: each with the way out. */
public final class RefusedKeys {
    private static final Map<String, String> REASONS = new LinkedHashMap<>();

    static {
        reason("replays a log of fio; record with a TraceRecorder and use blkmq trace replay", "read_iolog",
                "write_iolog", "read_iolog_chunked", "replay_no_stall", "replay_redirect", "replay_scale",
                "replay_align", "replay_time_scale", "replay_skip", "merge_blktrace_file", "merge_blktrace_scalars",
                "merge_blktrace_iters");
        reason("is about zoned devices and zones of a file; use offset, size and several jobs", "zonemode", "zonesize",
                "zonecapacity", "zonerange", "zoneskip", "read_beyond_wp", "max_open_zones", "job_max_open_zones",
                "ignore_zone_limits", "zone_reset_threshold", "zone_reset_frequency");
        reason("runs another program; run it before or after blkmq", "exec_prerun", "exec_postrun");
        reason("looks for files by itself; name them with filename", "opendir");
        reason("lengths of any number of bytes are not possible on a disk; use bsrange", "bs_unaligned",
                "blocksize_unaligned");
        reason("use bs, with one job for each pattern", "bs_is_seq_rand");
        reason("is a call on files and no operation of a disk; use fsync or sync", "sync_file_range");
        reason("use fsync", "write_barrier", "barrier");
        reason("the header stands at the beginning of a block", "verify_offset");
        reason("use rw=trimwrite, or a job of its own with rw=randtrim", "trim_percentage", "trim_verify_zero",
                "trim_backlog", "trim_backlog_batch");
        reason("loads the state of fio's process; verify with verify_only", "verify_state_load");
        reason("writes nothing; leave the job out", "create_only");
        reason("is a key of older versions of fio; use flow", "flow_watermark");
        reason("is a workload of fio's own; write a job", "profile");
        reason("use thinktime with thinktime_blocks", "thinktime_iotime");
        reason("use continue_on_error, which goes by directions and not by errors", "ignore_error");
        reason("is not promised by any engine here; use direct=1", "atomic");
    }

    private RefusedKeys() {}

    private static void reason(String why, String... names) {
        for (String name : names) {
            REASONS.put(name, why);
        }
    }

    /** Why a key is refused; null if it is none of these. */
    static @Nullable String find(String name) {
        return REASONS.get(name);
    }

    /**
     * All of them.
     *
     * @return by name, the reason and the way out
     */
    public static Map<String, String> all() {
        return Map.copyOf(REASONS);
    }
}
