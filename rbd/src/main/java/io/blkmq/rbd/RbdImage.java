package io.blkmq.rbd;

import io.blkmq.aio.Errno;
import io.blkmq.aio.Kiocb;
import io.blkmq.rbd.ceph.Kernel;
import io.blkmq.rbd.ceph.Rados;
import io.blkmq.rbd.ceph.Rbd;
import io.blkmq.rbd.life.Visits;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * An open image, with its connection to the cluster, and the operations that librbd has of it.
 *
 * <pre>
 *   RbdOpening -> OPEN -- the last open is closed --> CLOSING: nobody looks any more -> all operations are home -> rbd_close -> gone
 * </pre>
 *
 * <p>Closing waits for Ceph, so a thread of its own does it, which may outlive whoever has closed the image. Its memory, and the handle, are there as long as Ceph has
 * an operation.
 *
 * <p><b>The size</b> is what librbd said last: a watch of it tells of changes. An operation is checked against it, since librbd cuts off what is behind the end of an
 * image and does not say so.
 */
final class RbdImage {
    private static final int OPERATIONS_FIRST = 64;
    /** How often the end looks for operations that are still with Ceph. */
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);
    /** What {@link #place} says of an operation that librbd has taken. */
    private static final long PLACED = Long.MIN_VALUE;

    /** The three handles. */
    record Handles(long cluster, long pool, long image) {
        /** Closes all; waits for Ceph. */
        void close() {
            int _ = Rbd.close(image);
            Rados.closePool(pool);
            Rados.shutdown(cluster);
        }
    }

    private final RbdAddress address;
    private final Handles handles;
    private final boolean writable;
    private final boolean exclusive;
    private final int event;
    private final int optimalBytes;
    private final long waitNanos;
    private Rbd.@Nullable Watch watch;

    private volatile long size;
    /** Opens of it. */
    private final AtomicInteger opens = new AtomicInteger(1);
    /** Threads that look for completions, or begin operations. */
    private final Visits users = new Visits();
    /** Operations that somebody is to be told of. */
    private final AtomicInteger waitedFor = new AtomicInteger();
    /** Operations that have been given up, and are still with Ceph. */
    private final AtomicInteger lost = new AtomicInteger();
    /** Engines that have begun operations here. Replaced under the monitor. */
    private volatile RbdDriver[] drivers = {};

    private final ReentrantLock lock = new ReentrantLock();
    /** All there are, by number less one. Replaced by a longer one under the lock. */
    private volatile RbdOperation[] operations = {};
    /** Guarded by lock. */
    private @Nullable RbdOperation free;

    /** When the wait for what is in flight ends; meaningless without {@link #hastened}, which is written after it. */
    private long giveUpAt;
    private volatile boolean hastened;
    /** Whether operations have been given up: then all later ones end at once. */
    private volatile boolean givenUp;

    /**
     * An image that librbd has opened.
     *
     * @param exclusive whether its lock is kept
     * @param event what it raises with each completion
     */
    RbdImage(RbdAddress address, Handles handles, boolean writable, boolean exclusive, int event, int optimalBytes) {
        this.address = address;
        this.handles = handles;
        this.writable = writable;
        this.exclusive = exclusive;
        this.event = event;
        this.optimalBytes = optimalBytes;
        waitNanos = TimeUnit.SECONDS.toNanos(address.waitSeconds());
    }

    /** Finds out the size, and has changes of it told. Once, before anybody else has the image. */
    long watch() {
        if (address.snapshot() == null) {
            watch = Rbd.watch(handles.image, this::sizeMayBeAnother);
        }
        return sizeMayBeAnother();
    }

    /** Ends the watch: nobody tells of changes any more. */
    void closeWatch() {
        Rbd.Watch watched = watch;
        if (watched != null) {
            watched.close();
        }
    }

    private long sizeMayBeAnother() {
        long now = Rbd.size(handles.image);
        if (now >= 0) {
            size = now;
        }
        return now;
    }

    RbdAddress address() {
        return address;
    }

    long handle() {
        return handles.image;
    }

    int event() {
        return event;
    }

    int optimalBytes() {
        return optimalBytes;
    }

    long waitNanos() {
        return waitNanos;
    }

    boolean isSnapshot() {
        return address.snapshot() != null;
    }

    boolean isSame(RbdImage other) {
        return other.equals(this)
                || (address.isSameImage(other.address) && Objects.equals(address.snapshot(), other.address.snapshot()));
    }

    // Its size.

    long size() {
        return size;
    }

    /** How many bytes of a range are within the image. */
    long readable(long offset, long bytes) {
        return Math.clamp(size - offset, 0, bytes);
    }

    /** Whether all of a range is within the image. */
    boolean contains(long offset, long bytes) {
        return bytes <= size - offset || (bytes == 0 && offset >= 0);
    }

    int resize(long bytes) {
        int result = Rbd.resize(handles.image, bytes);
        if (result >= 0) {
            sizeMayBeAnother();
        }
        return (int) Math.min(0, failure(result));
    }

    int flush() {
        return writable ? (int) Math.min(0, failure(Rbd.flush(handles.image))) : 0;
    }

    // Results.

    /** A read at an offset ended so: at and behind the end of the image there is nothing to read. */
    long readResult(long offset, long result) {
        return result == -Errno.EINVAL && offset >= sizeMayBeAnother() ? 0 : failure(result);
    }

    /** A write ended so: an image that was shortened meanwhile has no room. */
    long writeResult(long offset, long bytes, long result) {
        if (result == -Errno.EINVAL && offset + bytes > sizeMayBeAnother()) {
            return -Errno.ENOSPC;
        }
        return result < 0 ? failure(result) : bytes;
    }

    /** An error as an engine tells it: an image that this client alone may write, and may not any more, has lost its lock. */
    long failure(long result) {
        return result == -Errno.EROFS && exclusive ? -Errno.ESHUTDOWN : result;
    }

    /** What an operation is told. By who has ended it. */
    long resultOf(RbdOperation operation, Kiocb kiocb, long result) {
        return switch (kiocb.operation()) {
            case READ -> {
                long read = readResult(kiocb.offset(), result);
                yield read > 0 ? kiocb.scatter(operation.bounced(), read) : read;
            }
            case WRITE ->
                operation.flushing && result < 0 ? failure(result) : writeResult(kiocb.offset(), kiocb.bytes(), result);
            default -> Math.min(0, failure(result));
        };
    }

    // Operations: their places.

    private RbdOperation takePlace() {
        lock.lock();
        try {
            RbdOperation first = free;
            if (first == null) {
                first = morePlaces();
            }
            free = first.nextFree;
            first.nextFree = null;
            return first;
        } finally {
            lock.unlock();
        }
    }

    /** With the lock held. */
    private RbdOperation morePlaces() {
        RbdOperation[] all = operations;
        int count = Math.max(OPERATIONS_FIRST, all.length * 2);
        RbdOperation[] more = Arrays.copyOf(all, count);
        MemorySegment outs = Arena.ofAuto().allocate(8L * (count - all.length), 8);
        RbdOperation next = null;
        for (int i = count - 1; i >= all.length; i--) {
            RbdOperation made = new RbdOperation(this, i + 1, outs.asSlice(8L * (i - all.length), 8));
            made.nextFree = next;
            more[i] = made;
            next = made;
        }
        operations = more;
        return Objects.requireNonNull(next);
    }

    private void freePlace(RbdOperation operation) {
        operation.kiocb = null;
        operation.driver = null;
        operation.trim();
        lock.lock();
        try {
            operation.nextFree = free;
            free = operation;
        } finally {
            lock.unlock();
        }
    }

    int places() {
        return operations.length;
    }

    RbdOperation operation(int number) {
        return operations[number - 1];
    }

    /** Whether there are operations that somebody is to be told of. */
    boolean isAnyWaitedFor() {
        return waitedFor.get() != 0;
    }

    // Operations: their way.

    /** Begins an operation, whose end the driver is to find, or is told at once. Any thread. */
    void start(Kiocb kiocb, RbdDriver driver) {
        RbdOperation operation;
        try {
            operation = takePlace();
        } catch (OutOfMemoryError e) {
            driver.refuse(kiocb);
            return;
        }
        // The operation may end, and with it the last open, before librbd's call has returned: the handle is there until then.
        boolean entered = enter();
        assert entered : "begun without an open";
        try {
            waitedFor.getAndIncrement();
            int use = operation.begin(kiocb, driver);
            place(operation, use, driver, givenUp ? -Errno.ETIMEDOUT : placed(operation, kiocb));
        } finally {
            leave();
        }
    }

    /** The bytes of a write are with Ceph: flushes, before it is told. By who has ended the write. */
    void flushAfter(RbdOperation operation, RbdDriver driver) {
        int use = operation.life.begin();
        place(operation, use, driver, flushed(operation));
    }

    private static void place(RbdOperation operation, int use, RbdDriver driver, long result) {
        if (result == PLACED) {
            operation.life.begun(use);
            return;
        }
        boolean mine = operation.life.end();
        assert mine : "given up before it began";
        operation.result = result;
        driver.comeHome(operation);
    }

    /** Hands an operation to librbd: PLACED, or how it has ended already. */
    private long placed(RbdOperation operation, Kiocb kiocb) {
        long offset = kiocb.offset();
        long bytes = kiocb.bytes();
        return switch (kiocb.operation()) {
            case READ -> read(operation, offset, readable(offset, bytes));
            case WRITE -> bytes == 0 ? 0 : contains(offset, bytes) ? write(operation, kiocb) : -Errno.ENOSPC;
            case FSYNC, FDATASYNC -> writable ? flushed(operation) : 0;
            case PUNCH_HOLE -> zeroes(operation, kiocb, 0);
            case ZERO_RANGE -> zeroes(operation, kiocb, Rbd.THICK);
            case ALLOCATE -> -Errno.EOPNOTSUPP;
        };
    }

    private long read(RbdOperation operation, long offset, long bytes) {
        if (bytes == 0) {
            return 0;
        }
        MemorySegment memory;
        try {
            memory = operation.bounce(bytes);
        } catch (OutOfMemoryError e) {
            return -Errno.ENOMEM;
        }
        long completion = completion(operation);
        return completion == 0
                ? -Errno.ENOMEM
                : taken(completion, Rbd.aioRead(handles.image, offset, bytes, memory.address(), completion));
    }

    private long write(RbdOperation operation, Kiocb kiocb) {
        MemorySegment memory;
        try {
            memory = operation.bounce(kiocb.bytes());
        } catch (OutOfMemoryError e) {
            return -Errno.ENOMEM;
        }
        gather(kiocb, memory);
        long completion = completion(operation);
        if (completion == 0) {
            return -Errno.ENOMEM;
        }
        return taken(completion,
                Rbd.aioWrite(handles.image, kiocb.offset(), kiocb.bytes(), memory.address(), completion));
    }

    /** Copies what is to be written. Whether librbd copies it once more is up to options of the image and its pool, which may change at any time. */
    @SuppressWarnings("restricted")
    private static void gather(Kiocb kiocb, MemorySegment to) {
        MemorySegment iovecs = kiocb.iovecs();
        long at = 0;
        for (int i = 0; i < kiocb.segments(); i++) {
            long length = iovecs.get(ValueLayout.JAVA_LONG, (long) Kiocb.SEGMENT_BYTES * i + 8);
            // By address: the memory may be confined to the thread that submitted.
            MemorySegment from = MemorySegment
                    .ofAddress(iovecs.get(ValueLayout.JAVA_LONG, (long) Kiocb.SEGMENT_BYTES * i)).reinterpret(length);
            MemorySegment.copy(from, 0, to, at, length);
            at += length;
        }
    }

    private long zeroes(RbdOperation operation, Kiocb kiocb, int flags) {
        if (kiocb.bytes() == 0) {
            return -Errno.EINVAL;
        }
        if (kiocb.offset() > Long.MAX_VALUE - kiocb.bytes()) {
            return -Errno.EFBIG;
        }
        if (!kiocb.keepsSize() && !contains(kiocb.offset(), kiocb.bytes())) {
            return -Errno.ENOSPC;
        }
        long bytes = readable(kiocb.offset(), kiocb.bytes());
        if (bytes == 0) {
            return 0;
        }
        long completion = completion(operation);
        return completion == 0
                ? -Errno.ENOMEM
                : taken(completion, Rbd.aioWriteZeroes(handles.image, kiocb.offset(), bytes, flags, completion));
    }

    private long flushed(RbdOperation operation) {
        long completion = completion(operation);
        return completion == 0 ? -Errno.ENOMEM : taken(completion, Rbd.aioFlush(handles.image, completion));
    }

    private static long completion(RbdOperation operation) {
        int result = Rbd.createCompletion(operation.number, operation.completionOut.address());
        return result < 0 ? 0 : operation.completionOut.get(ValueLayout.JAVA_LONG, 0);
    }

    /** A call that librbd refuses leaves the completion to its maker. */
    private static long taken(long completion, int result) {
        if (result < 0) {
            Rbd.release(completion);
            return result;
        }
        return PLACED;
    }

    // Operations: their end.

    /** Takes completions of what has ended; how many. By who has {@linkplain #enter entered}. */
    int take(MemorySegment completions, int count) {
        return Rbd.poll(handles.image, completions.address(), count);
    }

    /** The operation of a completion that was taken, with its result; null if it was given up, and is free again. */
    @Nullable
    RbdOperation ended(MemorySegment completions, int index) {
        long completion = completions.getAtIndex(ValueLayout.JAVA_LONG, index);
        RbdOperation operation = operation((int) Rbd.argument(completion));
        long result = Rbd.result(completion);
        Rbd.release(completion);
        if (!operation.life.end()) {
            operation.life.recovered();
            freePlace(operation);
            lost.getAndDecrement();
            return null;
        }
        operation.result = result;
        return operation;
    }

    /** An operation is about to be told: its place is free. */
    void giveBack(RbdOperation operation) {
        freePlace(operation);
        waitedFor.getAndDecrement();
    }

    /** Nothing is waited for any more; false if that was so. */
    boolean giveUpAll() {
        boolean first = !givenUp;
        givenUp = true;
        return first;
    }

    /** One is about to be told, and is still with Ceph. Before it is told, and so before the last open is gone. */
    void gaveUp() {
        lost.getAndIncrement();
        waitedFor.getAndDecrement();
    }

    /** Whether an engine is to tell of any operation. */
    boolean isWaitedForBy(RbdDriver driver) {
        for (RbdOperation operation : operations) {
            // Whose it is, was written before the step that is seen here. An operation that begins meanwhile is found the next time.
            if (operation.life.isWaitedFor() && driver.equals(operation.driver)) {
                return true;
            }
        }
        return false;
    }

    /** Whether the end of operations has been asked for. */
    boolean isHastened() {
        return hastened;
    }

    /** How long operations are still waited for, in nanoseconds. */
    long untilGivenUp() {
        return hastened ? giveUpAt - System.nanoTime() : Long.MAX_VALUE;
    }

    void hasten() {
        synchronized (this) {
            if (hastened) {
                return;
            }
            giveUpAt = System.nanoTime() + waitNanos;
            hastened = true;
        }
        for (RbdDriver driver : drivers) {
            driver.wake();
        }
    }

    // Who looks here.

    boolean isKnownTo(RbdDriver driver) {
        for (RbdDriver one : drivers) {
            if (one.equals(driver)) {
                return true;
            }
        }
        return false;
    }

    /** Notes an engine; false if it is known. */
    synchronized boolean addDriver(RbdDriver driver) {
        if (isKnownTo(driver)) {
            return false;
        }
        RbdDriver[] more = Arrays.copyOf(drivers, drivers.length + 1);
        more[drivers.length] = driver;
        drivers = more;
        return true;
    }

    synchronized void removeDriver(RbdDriver driver) {
        drivers = Arrays.stream(drivers).filter(one -> !one.equals(driver)).toArray(RbdDriver[]::new);
    }

    /** Begins a look for completions; false if the image is being closed. To be followed by {@link #leave} if true. */
    boolean enter() {
        return users.enter();
    }

    void leave() {
        users.leave();
    }

    // Opens, and the end.

    /** One more open of it, by who has one. */
    void open() {
        opens.getAndIncrement();
    }

    /** One open less. With the last one the image is closed, by another thread; the caller waits for that a while, if it may. */
    void closeOpen() {
        if (opens.decrementAndGet() > 0) {
            return;
        }
        Thread closer = RbdOpening.closer(this, this::close);
        closer.start();
        for (RbdDriver driver : drivers) {
            if (driver.isReapedByCaller()) {
                return;
            }
        }
        RbdOpening.join(closer, waitNanos);
    }

    /** The last open is gone, and with it all that somebody is told of. */
    private void close() {
        users.close();
        for (RbdDriver driver : drivers) {
            driver.detach(this);
        }
        bringHome();
        closeWatch();
        handles.close();
        for (RbdOperation operation : operations) {
            operation.freeBounce();
        }
        Kernel.close(event);
    }

    /** Waits for what was given up. */
    private void bringHome() {
        MemorySegment one = Arena.ofAuto().allocate(8, 8);
        Kernel.Events events = new Kernel.Events(event);
        while (lost.get() != 0) {
            events.await(LOOK_NANOS);
            Kernel.clear(event);
            while (take(one, 1) == 1) {
                RbdOperation home = ended(one, 0);
                assert home == null : "not given up";
            }
        }
    }
}
