package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Files in memory. The first open of a path reads the file that is there; from then on every open of it with this
 * engine sees the same bytes in memory, nothing is ever written to the file system, and all is gone with the engine
 * and the files it has opened. What has no name any more gives its memory back when nobody has it open.
 *
 * <p>Without a latency operations are carried out inside submit, as by {@link NullEngine}. With one they wait in a
 * list until they are due, and are carried out then: a read into memory that has been reused meanwhile would show. In
 * REAPER mode a thread waits for them; in the other modes the owner, or the agent, finds them.
 */
final class MemoryEngine extends InlineEngine {

    static final String NAME = "memory";

    /** Guards itself and {@link #gone}. */
    private final Map<Path, MemoryFile.Content> contents = new HashMap<>();
    /** Names that were taken away in memory, whatever the file system has under them. */
    private final Set<Path> gone = new HashSet<>();
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
    public AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options)
            throws IOException {
        Opening opening = Opening.of(path, access, direct, options);
        synchronized (contents) {
            Path key = key(path);
            MemoryFile.Content content = contents.get(key);
            boolean there = content != null || isThere(key);
            if (there && opening.has(AioFile.Option.CREATE_NEW)) {
                throw AioException.of(Errno.EEXIST, path, "open");
            }
            if (content == null) {
                content = there || !opening.creates()
                        ? load(key, path)
                        : new MemoryFile.Content(new SparseBytes(quota, 0));
                contents.put(key, content);
            }
            if (opening.has(AioFile.Option.TRUNCATE_EXISTING)) {
                int _ = content.bytes.setSize(0);
            }
            return MemoryFile.open(opening, content);
        }
    }

    @Override
    public AioFile adopt(int descriptor, Path name) {
        throw new UnsupportedOperationException(
                "AIO engine " + NAME + " has its files in memory, and cannot adopt descriptor " + descriptor);
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        synchronized (contents) {
            Path key = key(from);
            Path target = key(to);
            if (Files.isDirectory(target)) {
                throw new FileSystemException(to.toString(), null, "is a directory");
            }
            if (!key.equals(target)) {
                MemoryFile.Content replaced = contents.put(target, load(key, from));
                if (replaced != null) {
                    replaced.unlink();
                }
                MemoryFile.Content _ = remove(key);
            }
        }
    }

    @Override
    public void delete(Path path) throws IOException {
        synchronized (contents) {
            Path key = key(path);
            if (!contents.containsKey(key)) {
                requireNotGone(key, path);
                MemoryFile.Content.requireFile(path);
            }
            MemoryFile.Content content = remove(key);
            if (content != null) {
                content.unlink();
            }
        }
    }

    @Override
    AioFileAttributes attributes(Path path) throws IOException {
        synchronized (contents) {
            Path key = key(path);
            MemoryFile.Content content = contents.get(key);
            if (content != null) {
                return AioFileAttributes.inMemory(content.bytes.size());
            }
            requireNotGone(key, path);
            return AioFileAttributes.of(path);
        }
    }

    @Override
    public void syncDirectory(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw Files.exists(directory)
                    ? new NotDirectoryException(directory.toString())
                    : new NoSuchFileException(directory.toString());
        }
    }

    /** Takes a name away, and tells what was in memory under it. */
    private MemoryFile.@Nullable Content remove(Path key) {
        if (Files.exists(key)) {
            gone.add(key);
        }
        return contents.remove(key);
    }

    /** How many names it hides of those that the file system has; for tests. */
    int namesTakenAway() {
        synchronized (contents) {
            return gone.size();
        }
    }

    /** Whether the file system has the name, and it has not been taken away. */
    private boolean isThere(Path key) {
        return !gone.contains(key) && Files.exists(key);
    }

    private void requireNotGone(Path key, Path path) throws NoSuchFileException {
        if (gone.contains(key)) {
            throw new NoSuchFileException(path.toString());
        }
    }

    /** What is under a name that must be there. */
    private MemoryFile.Content load(Path key, Path path) throws IOException {
        MemoryFile.Content content = contents.get(key);
        if (content != null) {
            return content;
        }
        requireNotGone(key, path);
        return MemoryFile.Content.load(path, quota);
    }

    /** The one name of a file that has several; of one that is in memory alone, the name that it would have. */
    private static Path key(Path path) throws IOException {
        try {
            return path.toRealPath();
        } catch (NoSuchFileException e) {
            Path name = path.getFileName();
            Path parent = path.toAbsolutePath().getParent();
            if (name == null || parent == null || !Files.isDirectory(parent)) {
                throw e;
            }
            return parent.toRealPath().resolve(name);
        } catch (IOException e) {
            throw new FileSystemException(path.toString(), null, String.valueOf(e.getMessage()));
        }
    }

    @Override
    long carryOut(Kiocb kiocb) {
        MemoryFile file = (MemoryFile) kiocb.fileOrNone();
        if (file == null) {
            // A call, which has been carried out.
            return 0;
        }
        try {
            return file.carryOut(kiocb);
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
    void startCall(FileCall<?> call) {
        call.run();
        tellCall(call);
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

    /** An operation that waits for its time need not. */
    @Override
    void cancelWanted() {
        if (delays) {
            lock.lock();
            try {
                due.expedite(this::isToEnd, config.nanoTime());
                changed.signalAll();
            } finally {
                lock.unlock();
            }
            dueHasChanged();
        }
    }

    /** POLLED: what is due ends now. */
    @Override
    void endDue() {
        if (delays) {
            for (Kiocb kiocb = takeDue(); kiocb != null; kiocb = takeDue()) {
                finished(kiocb, isToEnd(kiocb) ? -Errno.ECANCELED : carryOut(kiocb));
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
                finished(kiocb, isToEnd(kiocb) ? -Errno.ECANCELED : carryOut(kiocb));
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
