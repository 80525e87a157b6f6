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
 * A channel that an interrupt has closed cannot be kept: then the lock is taken again.
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
}
