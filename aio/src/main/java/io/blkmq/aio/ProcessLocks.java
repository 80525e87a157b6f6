package io.blkmq.aio;

import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The files that this process has locked through channels. On systems with POSIX locks a process loses its lock on a file when it closes
 * any descriptor of that file, whichever took the lock. So channels of a locked file are not closed but kept until the lock is given up.
 * A channel that an interrupt has closed cannot be kept: then the lock is taken again. If another process has it by then, the lock is
 * missed, and nobody in this process uses the file until it is there again, or its owner has closed the file.
 *
 * <p>Files are told apart by their keys; where the file system has none, locks belong to descriptors, and nothing is done. Any thread may
 * call it.
 */
final class ProcessLocks {

    private static final ProcessLocks HELD = new ProcessLocks();

    /** A locked file: whose lock it is, and what is to be closed with it. */
    private record Locked(ChannelFile holder, List<FileChannel> kept) {}

    /** By file key. Guarded by this. */
    private final Map<Object, Locked> files = new HashMap<>();
    /** Those who believe that they hold a lock and do not, by file key. Guarded by this. */
    private final Map<Object, ChannelFile> missed = new HashMap<>();
    /** Whether there are any: for the path of each transfer, which takes no lock for it. Written under this. */
    private volatile boolean anyMissed;

    private ProcessLocks() {}

    /** Those of this process. */
    static ProcessLocks held() {
        return HELD;
    }

    synchronized void locked(Object key, ChannelFile holder) {
        files.putIfAbsent(key, new Locked(holder, new ArrayList<>()));
    }

    /** Keeps the channel of a file that is no longer used, if somebody else holds a lock on the file; false if it may be closed. */
    synchronized boolean keep(Object key, ChannelFile user, FileChannel channel) {
        Locked locked = files.get(key);
        if (locked == null || locked.holder == user) {
            return false;
        }
        locked.kept.add(channel);
        return true;
    }

    /** The holder gives its lock up: what has been kept, for the caller to close. */
    synchronized List<FileChannel> unlocked(Object key, ChannelFile holder) {
        Locked locked = files.get(key);
        if (locked == null || locked.holder != holder) {
            return List.of();
        }
        files.remove(key);
        return locked.kept;
    }

    /** Who holds the lock on a file; null if nobody in this process. */
    synchronized @Nullable ChannelFile holder(Object key) {
        Locked locked = files.get(key);
        return locked == null ? null : locked.holder;
    }

    /** The lock that a file's user believes to hold is lost. */
    synchronized void misses(Object key, ChannelFile owner) {
        ChannelFile _ = missed.putIfAbsent(key, owner);
        anyMissed = true;
    }

    /** It is there again, or nobody wants it any more. */
    synchronized void missesNoMore(Object key, ChannelFile owner) {
        boolean _ = missed.remove(key, owner);
        anyMissed = !missed.isEmpty();
    }

    /** Whose lock on a file is missed; null if nobody's, or if somebody else in this process holds one on the file. */
    @Nullable
    ChannelFile owner(Object key) {
        if (!anyMissed) {
            return null;
        }
        synchronized (this) {
            return files.containsKey(key) ? null : missed.get(key);
        }
    }
}
