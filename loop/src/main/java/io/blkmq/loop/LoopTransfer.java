package io.blkmq.loop;

import io.blkmq.core.QueueLimits;
import io.blkmq.loop.transfer.Transfer;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * The transfer function of one device, and the memory that its writes are transformed into. The kernel's counterpart is what
 * {@code loop_init_xfer} sets up. Thread-safe.
 */
final class LoopTransfer implements AutoCloseable {
    /** The most memory of large writes at a time, unless a single one is larger. What finds no room waits and is tried again. */
    static final long BYTES_MAX = 16L << 20;

    private final TransferFunction kind;
    private final TransferKey key;
    private final Transfer function;
    private final AtomicLong bytesInUse = new AtomicLong();
    private final LongAdder bounces = new LongAdder();

    private LoopTransfer(TransferFunction kind, TransferKey key) {
        this.kind = kind;
        this.key = key;
        this.function = key.open(kind);
    }

    /**
     * That of a configuration.
     *
     * @return null for {@link TransferFunctions#NONE}
     * @throws IllegalStateException if its key has been wiped
     */
    static @Nullable LoopTransfer of(LoopConfig config) {
        return config.transfer().equals(TransferFunctions.NONE)
                ? null
                : new LoopTransfer(config.transfer(), config.transferKey());
    }

    Transfer function() {
        return function;
    }

    /**
     * The limits of a device under it. A hole would not read as zeroes, so there are no holes; and memory is in whole sectors, which
     * the block layer sees to.
     */
    static QueueLimits fit(QueueLimits limits) {
        return limits.toBuilder().discardBytesMax(0).writeZeroesBytesMax(0)
                .dmaAlignmentBytes(Math.max(Transfer.SECTOR_BYTES, limits.dmaAlignmentBytes())).build();
    }

    boolean reserve(long bytes) {
        long before = bytesInUse.getAndAdd(bytes);
        if (before == 0 || before + bytes <= BYTES_MAX) {
            return true;
        }
        bytesInUse.getAndAdd(-bytes);
        return false;
    }

    void release(long bytes) {
        bytesInUse.getAndAdd(-bytes);
    }

    /** Memory of large writes; for tests. */
    long bytesInUse() {
        return bytesInUse.get();
    }

    void countBounce() {
        bounces.increment();
    }

    /** How many writes were transformed, each in a buffer of its own. */
    long bounces() {
        return bounces.sum();
    }

    /** The device is detached: wipes the key, the configuration's copy too. No request is in flight. */
    void wipe() {
        try {
            close();
        } finally {
            key.destroy();
        }
    }

    /** Wipes what it has of the key itself. No request is in flight. */
    @Override
    public void close() {
        function.close();
    }

    @Override
    public String toString() {
        return kind.name();
    }
}
