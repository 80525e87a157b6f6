package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/** What {@link NativeEngine} asks of a ring of the kernel's. Placer, completer, owner and reaper are explained there. */
abstract class RingCalls extends OpenedEngine {

    /** All of them: they go to the kernel as they are. */
    private static final Set<AioFlag> FLAGS = Collections.unmodifiableSet(EnumSet.allOf(AioFlag.class));

    RingCalls(String name, Set<AioOperation> operations, AioEngineConfig config) {
        super(name, operations, FLAGS, true, config);
    }

    /** Writes an operation into the ring, for a later {@link #ring()}; false if there is no room. The placer. */
    abstract boolean place(int slot, Kiocb kiocb);

    /**
     * Writes into the ring that the operation of a slot is to be given back, for a later {@link #ring()}; false if there is no room. The placer.
     */
    abstract boolean placeCancel(int slot);

    /**
     * Hands everything placed to the kernel. The placer, or anybody in REAPER mode, without the lock.
     *
     * @throws RingRefusedException if the kernel refuses; whoever completes rings again
     */
    abstract void ring();

    /**
     * Number of ended operations that {@link #reap} would find now, after having made the kernel post what it has
     * ready. The completer.
     */
    abstract int ready();

    /** Whether {@link #ready} would find any without troubling the kernel. The completer. */
    abstract boolean isReady();

    /** Takes so many ended operations from the ring and calls {@link NativeEngine#ended} for each. The completer. */
    abstract void reap(int count);

    /** Whether everything placed has been handed over. The owner. */
    abstract boolean isAllHandedOver();

    /**
     * Hands over everything placed, and waits until something has ended, at most so long. Returns whether it is certain that there was
     * something to wait for. The owner.
     */
    abstract boolean ringAndWait(long timeoutNanos);

    /** Waits until something has ended, or {@link #wake}, at most so long. The reaper. */
    abstract void sleep(long timeoutNanos);

    /** Wakes the reaper, which sleeps in the kernel. */
    abstract void wake();

    /** The owner has just become known, and is calling. */
    void ownerKnown() {
        // Any thread may use the ring, one at a time.
    }

    /** What else waits for the owner. Called by it with every batch. */
    void ownerDuties() {
        // As above.
    }

    /** The owner polls with nothing in flight. */
    void pollIdle() {
        // Nothing to do.
    }

    /** Whether anything waits for the owner. */
    boolean hasOwnerDuties() {
        return false;
    }

    /** Ends what only the dead owner, or dead reaper, could have brought to an end. */
    abstract void abandon();

    /**
     * The ring has failed for good: tells every operation, with the result that is known or with EIO, when the kernel has none of them
     * any more. May be called again after it has thrown. The completer; nobody else enters the ring any more.
     */
    abstract void takeBack();

    /** Gives everything back; nothing is in flight. Called once. */
    abstract void destroy();

    /** Whether a thread other than the reaper may take completions while the reaper waits for some. */
    boolean canCompleteAnywhere() {
        return false;
    }

    /** Whether a call may wait in the ring for other operations, which need a slot, too. */
    boolean hasSlotToSpare() {
        return true;
    }

    /** Whether it has entries for a kind of call, {@code Uring.OP_...}. Any thread. */
    boolean carriesOut(int opcode) {
        return false;
    }

    // Files.

    @Override
    public final AioFile open(Path path, AioFile.Access access, boolean direct, AioFile.Option... options)
            throws IOException {
        NativeFile file = NativeFile.open(Opening.of(path, access, direct, options));
        opened(file);
        return file;
    }

    @Override
    public final AioFile adopt(int descriptor, Path name) throws IOException {
        NativeFile file = NativeFile.adopt(descriptor, name);
        opened(file);
        return file;
    }

    /** Looks at a file that has just been opened. */
    void opened(NativeFile file) {
        // Nothing to say about it.
    }

    @Override
    final void requireName(Path path) {
        NativeFile.requireOfDefault(path);
    }

    @Override
    public final boolean writesThrough(AioFile file) {
        return file instanceof NativeFile known && known.isWritable() && known.writesThrough()
                && operations().contains(AioOperation.FDATASYNC);
    }

    @Override
    public final boolean syncsAlone() {
        return operations().contains(AioOperation.FSYNC);
    }

    @Override
    final Class<NativeFile> family() {
        return NativeFile.class;
    }

    // Memory, of a ring that registers none.

    @Override
    public boolean registerMemory(MemorySegment slab) {
        requireNative(slab);
        return false;
    }

    @Override
    public boolean unregisterMemory(MemorySegment slab) {
        return false;
    }

    static void requireNative(MemorySegment slab) {
        if (!slab.isNative()) {
            throw new IllegalArgumentException("heap memory cannot be registered: " + slab);
        }
    }
}
