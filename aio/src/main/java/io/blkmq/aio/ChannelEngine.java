package io.blkmq.aio;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A pool of threads over channels. Submitted operations stand in an intrusive list; {@link #commit} wakes as many
 * workers as there is work for, starting them up to the configured number as they are needed; a worker takes one
 * operation, carries it out segment by segment, and finishes it. Workers live until the engine is closed.
 */
final class ChannelEngine extends SoftwareEngine {

    static final String NAME = "channel";

    private static final Set<AioOperation> OPERATIONS = Set.copyOf(NativeAccess.refusal() != null
            ? EnumSet.of(AioOperation.READ, AioOperation.WRITE, AioOperation.FSYNC, AioOperation.FDATASYNC)
            : EnumSet.allOf(AioOperation.class));

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition work = lock.newCondition();
    /** Oldest first. Guarded by lock, as all that follows. */
    private @Nullable Kiocb head;
    private @Nullable Kiocb tail;
    private int waiting;
    private int idle;
    private boolean stopping;
    private final List<Thread> workers = new ArrayList<>();
    /** Who tell operations that were cancelled before a worker took them. */
    private final Set<Thread> tellers = new HashSet<>();
    /** Who ends operations for want of any worker; null if nobody does. */
    private @Nullable Thread ender;

    private final AtomicLong operations = new AtomicLong();

    ChannelEngine(AioEngineConfig config) {
        super(NAME, OPERATIONS, config);
    }

    @Override
    void start(Kiocb kiocb) {
        kiocb.next = null;
        lock.lock();
        try {
            append(kiocb);
            waiting++;
        } finally {
            lock.unlock();
        }
    }

    @Override
    void startCall(FileCall<?> call) {
        start(call.kiocb);
    }

    /** With the lock held. */
    private void append(Kiocb kiocb) {
        Kiocb last = tail;
        if (last == null) {
            head = kiocb;
        } else {
            last.next = kiocb;
        }
        tail = kiocb;
    }

    @Override
    void commit0() {
        lock.lock();
        try {
            for (int wake = Math.min(waiting, idle); wake > 0; wake--) {
                work.signal();
            }
            for (int more = waiting - idle; more > 0 && workers.size() < config.workers(); more--) {
                if (!startWorker()) {
                    break;
                }
            }
            if (ender != null || waiting == 0 || !workers.isEmpty()) {
                return;
            }
            ender = Thread.currentThread();
        } finally {
            lock.unlock();
        }
        endWithoutWorker();
    }

    /** With the lock held. One worker is enough to go on with, should the system, or the factory of threads, refuse more. */
    private boolean startWorker() {
        try {
            Thread worker = config.newThread(NAME, workers.size(), this::work);
            worker.start();
            workers.add(worker);
            return true;
        } catch (RuntimeException | Error e) {
            if (workers.isEmpty() && ender == null) {
                CompletionDelivery.log("AIO engine " + NAME + " gets no thread: its operations fail", e);
            }
            return false;
        }
    }

    /**
     * Ends what waits: nobody would ever carry it out, and who closes would wait for it. One thread does; what its completions and
     * others submit meanwhile is left to it.
     */
    private void endWithoutWorker() {
        for (Kiocb first = takeAbandoned(); first != null; first = takeAbandoned()) {
            delivery.begin(config.reapListener());
            for (Kiocb kiocb = first; kiocb != null;) {
                Kiocb following = kiocb.next;
                kiocb.next = null;
                finished(kiocb, -Errno.EAGAIN);
                kiocb = following;
            }
            delivery.end(config.reapListener());
        }
    }

    /** The operations that wait, oldest first; null, and the calling thread is at its end, if there are none or there is a worker. */
    private @Nullable Kiocb takeAbandoned() {
        lock.lock();
        try {
            Kiocb all = workers.isEmpty() ? head : null;
            if (all == null) {
                ender = null;
                return null;
            }
            head = null;
            tail = null;
            waiting = 0;
            return all;
        } finally {
            lock.unlock();
        }
    }

    /** What stands in the list need not wait for a worker, of which each may be in a call that does not return. */
    @Override
    void cancelWanted() {
        Kiocb cancelled = takeCancelled();
        if (listed) {
            // Into the list of those that have ended: the owner or the agent tells them.
            finishCancelled(cancelled);
        } else if (cancelled != null) {
            // Not by who cancels, who may hold what completions want.
            Thread teller = Thread.ofVirtual().unstarted(() -> {
                delivery.begin(config.reapListener());
                finishCancelled(cancelled);
                delivery.end(config.reapListener());
                lock.lock();
                try {
                    tellers.remove(Thread.currentThread());
                } finally {
                    lock.unlock();
                }
            });
            lock.lock();
            try {
                tellers.add(teller);
            } finally {
                lock.unlock();
            }
            teller.start();
        }
    }

    /** Takes those that are to end early out of the list; the others keep their order. */
    private @Nullable Kiocb takeCancelled() {
        lock.lock();
        try {
            Kiocb cancelled = null;
            Kiocb rest = head;
            head = null;
            tail = null;
            while (rest != null) {
                Kiocb kiocb = rest;
                rest = kiocb.next;
                kiocb.next = null;
                if (isToEnd(kiocb)) {
                    kiocb.next = cancelled;
                    cancelled = kiocb;
                    waiting--;
                } else {
                    append(kiocb);
                }
            }
            return cancelled;
        } finally {
            lock.unlock();
        }
    }

    private void finishCancelled(@Nullable Kiocb first) {
        for (Kiocb kiocb = first; kiocb != null;) {
            Kiocb following = kiocb.next;
            kiocb.next = null;
            finished(kiocb, -Errno.ECANCELED);
            kiocb = following;
        }
    }

    private void work() {
        while (true) {
            Kiocb kiocb = take();
            if (kiocb == null) {
                return;
            }
            operations.getAndIncrement();
            long result = isToEnd(kiocb) ? -Errno.ECANCELED : carryOut(kiocb);
            if (listed) {
                finished(kiocb, result);
            } else {
                delivery.begin(config.reapListener());
                finished(kiocb, result);
                delivery.end(config.reapListener());
            }
        }
    }

    /** The oldest waiting operation; null when the engine stops. */
    private @Nullable Kiocb take() {
        lock.lock();
        try {
            while (head == null) {
                if (stopping) {
                    return null;
                }
                idle++;
                work.awaitUninterruptibly();
                idle--;
            }
            Kiocb first = head;
            head = first.next;
            if (head == null) {
                tail = null;
            }
            first.next = null;
            waiting--;
            return first;
        } finally {
            lock.unlock();
        }
    }

    private long carryOut(Kiocb kiocb) {
        ChannelFile file = (ChannelFile) kiocb.fileOrNone();
        if (file == null) {
            Objects.requireNonNull(kiocb.call).run();
            return 0;
        }
        try {
            return switch (kiocb.operation()) {
                case READ -> transfer(file, kiocb, false);
                case WRITE -> write(file, kiocb);
                case FSYNC -> file.syncAcquired(false);
                case FDATASYNC -> file.syncAcquired(true);
                case PUNCH_HOLE, ZERO_RANGE, ALLOCATE ->
                    file.rangeAcquired(kiocb.operation(), kiocb.offset(), kiocb.bytes(), kiocb.keepsSize());
            };
        } catch (IllegalCallerException e) {
            // Memory that is confined to another thread, where native access is denied.
            return -Errno.EFAULT;
        } catch (RuntimeException | Error e) {
            // An operation is never lost, whatever happens below it.
            CompletionDelivery.log(kiocb + " failed", e);
            return -Errno.EIO;
        }
    }

    private long write(ChannelFile file, Kiocb kiocb) {
        long written = transfer(file, kiocb, true);
        AioOperation sync = kiocb.syncAfter();
        if (written < 0 || sync == null) {
            return written;
        }
        int synced = file.syncAcquired(sync == AioOperation.FDATASYNC);
        return synced < 0 ? synced : written;
    }

    private long transfer(ChannelFile file, Kiocb kiocb, boolean write) {
        long done = 0;
        for (int i = 0; i < kiocb.segments(); i++) {
            if (i > 0 && isToEnd(kiocb)) {
                return write || done == 0 ? -Errno.ECANCELED : done;
            }
            long bytes = kiocb.partBytes(i);
            long moved = file.transfer(kiocb.offset() + done, kiocb.memory(i), kiocb.partOffset(i), bytes, write);
            if (moved < 0) {
                return moved;
            }
            done += moved;
            if (moved < bytes) {
                break;
            }
        }
        return done;
    }

    @Override
    boolean isCompleting() {
        lock.lock();
        try {
            Thread caller = Thread.currentThread();
            return ender == caller || workers.contains(caller) || tellers.contains(caller);
        } finally {
            lock.unlock();
        }
    }

    @Override
    void stop() {
        lock.lock();
        try {
            stopping = true;
            work.signalAll();
        } finally {
            lock.unlock();
        }
        Threads.joinAll(List.copyOf(workers));
        Threads.joinAll(tellers());
    }

    private List<Thread> tellers() {
        lock.lock();
        try {
            return List.copyOf(tellers);
        } finally {
            lock.unlock();
        }
    }

    @Override
    long systemCalls() {
        return operations.get();
    }
}
