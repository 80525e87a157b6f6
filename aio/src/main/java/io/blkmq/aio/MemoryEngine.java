package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Files in memory. The first open of a path reads the file that is there; from then on every open of it with this
 * engine sees the same bytes in memory, nothing is ever written to the file system, and all is gone with the engine
 * and the files it has opened.
 *
 * <p>Without a latency operations are carried out inside submit, as by {@link NullEngine}. With one they wait in a
 * list until they are due, and are carried out then: a read into memory that has been reused meanwhile would show. In
 * REAPER mode a thread waits for them; in the other modes the owner, or the agent, finds them.
 */
final class MemoryEngine extends InlineEngine {

    static final String NAME = "memory";

    private final Map<Path, MemoryFile.Content> contents = new HashMap<>();
    private final SparseBytes.Quota quota;
    private final boolean delays;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    /** Guarded by lock. */
    private final DueList due = new DueList();
    /** Guarded by lock. */
    private boolean stopping;
    /** Null where nothing waits, or the owner polls. */
    private final @Nullable Thread reaper;

    MemoryEngine(AioEngineConfig config) {
        super(NAME, config);
        quota = new SparseBytes.Quota(config.memoryQuotaBytes());
        delays = !config.memoryLatency().equals(MemoryLatency.NONE);
        reaper = delays && config.hasReaper() ? config.newThread(NAME, 0, this::reapUntilStopped) : null;
        if (reaper != null) {
            reaper.start();
        }
    }

    @Override
    Class<MemoryFile> family() {
        return MemoryFile.class;
    }

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct) throws IOException {
        Path key;
        try {
            key = path.toRealPath();
        } catch (NoSuchFileException e) {
            throw e;
        } catch (IOException e) {
            throw new FileSystemException(path.toString(), null, String.valueOf(e.getMessage()));
        }
        synchronized (contents) {
            MemoryFile.Content content = contents.get(key);
            if (content == null) {
                content = MemoryFile.Content.load(path, quota);
                contents.put(key, content);
            }
            return new MemoryFile(path, access, direct, content);
        }
    }

    @Override
    long carryOut(Kiocb kiocb) {
        try {
            return ((MemoryFile) kiocb.file()).carryOut(kiocb);
        } catch (IllegalCallerException e) {
            // Memory that is confined to another thread, where native access is denied.
            return -Errno.EFAULT;
        } catch (RuntimeException | Error e) {
            // An operation is never lost, whatever happens below it.
            CompletionDelivery.log(kiocb + " failed", e);
            return -Errno.EIO;
        }
    }

    @Override
    void start(Kiocb kiocb) {
        long latency = delays ? latency(kiocb) : 0;
        if (!delays || (latency <= 0 && listed)) {
            super.start(kiocb);
            return;
        }
        long at = config.nanoTime() + Math.max(latency, 0);
        lock.lock();
        try {
            due.add(kiocb, at);
            if (reaper != null) {
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** How long an operation takes; no time at all if the answer is an exception, which must not cost the operation. */
    private long latency(Kiocb kiocb) {
        try {
            return config.memoryLatency().nanos(kiocb.operation(), kiocb.bytes());
        } catch (RuntimeException | Error e) {
            CompletionDelivery.log("no latency for " + kiocb, e);
            return 0;
        }
    }

    /** POLLED: what is due ends now. */
    @Override
    void endDue() {
        if (delays) {
            for (Kiocb kiocb = takeDue(); kiocb != null; kiocb = takeDue()) {
                finished(kiocb, carryOut(kiocb));
            }
        }
    }

    @Override
    long untilDue() {
        lock.lock();
        try {
            return due.isEmpty() ? Long.MAX_VALUE : due.untilFirst(config.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Kiocb takeDue() {
        lock.lock();
        try {
            return due.takeDue(config.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    private void reapUntilStopped() {
        while (awaitDue()) {
            delivery.begin(config.reapListener());
            for (Kiocb kiocb = takeDue(); kiocb != null; kiocb = takeDue()) {
                finished(kiocb, carryOut(kiocb));
            }
            delivery.end(config.reapListener());
        }
    }

    /** Waits until something is due; false when the engine stops. */
    private boolean awaitDue() {
        lock.lock();
        try {
            while (!stopping) {
                long left = due.isEmpty() ? Long.MAX_VALUE : due.untilFirst(config.nanoTime());
                if (left <= 0) {
                    return true;
                }
                try {
                    long _ = changed.awaitNanos(left);
                } catch (InterruptedException e) {
                    // Nobody has a reason to interrupt it; the time is looked at again.
                }
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    @Override
    boolean isCompleting() {
        return super.isCompleting() || Thread.currentThread().equals(reaper);
    }

    @Override
    void stop() {
        lock.lock();
        try {
            stopping = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        if (reaper != null) {
            Threads.joinAll(List.of(reaper));
        }
    }
}
