package io.blkmq.loop;

import io.blkmq.core.QueueLimits;
import org.jspecify.annotations.Nullable;

/**
 * What people have asked of a device's limits by its attributes. It holds whatever file the device gets, as in the kernel; what is asked
 * for and not possible with a file waits for the next. Immutable.
 *
 * @param requestBytesMax the most that a request is to carry; {@link Long#MAX_VALUE} for what is possible
 * @param discardBytesMax the most that a discard is to carry; 0 for none, {@link Long#MAX_VALUE} for what is possible
 * @param cached false if what is written is to count as durable, so that no flush is sent
 * @param fua false if the device is to flush after a write with FUA, whatever the file can do
 * @param rotational what the disk behind the file is said to be, as long as the device has that file; null if
 *            nobody has said anything
 */
record LimitsByHand(long requestBytesMax, long discardBytesMax, boolean cached, boolean fua,
        @Nullable Boolean rotational) {
    /** Nothing has been asked of a device that was made with these. */
    static LimitsByHand none(LoopParameters parameters) {
        return new LimitsByHand(Long.MAX_VALUE, Long.MAX_VALUE, true, parameters.isFua(), null);
    }

    LimitsByHand withRequestBytesMax(long bytes) {
        return new LimitsByHand(bytes, discardBytesMax, cached, fua, rotational);
    }

    LimitsByHand withDiscardBytesMax(long bytes) {
        return new LimitsByHand(requestBytesMax, bytes, cached, fua, rotational);
    }

    LimitsByHand withCached(boolean value) {
        return new LimitsByHand(requestBytesMax, discardBytesMax, value, fua, rotational);
    }

    LimitsByHand withRotational(@Nullable Boolean value) {
        return new LimitsByHand(requestBytesMax, discardBytesMax, cached, fua, value);
    }

    /** What is left of what is possible: in whole blocks and units, and at least one of them unless it is to be none. */
    QueueLimits of(QueueLimits possible) {
        int block = possible.logicalBlockBytes();
        int unit = possible.discardGranularityBytes();
        long discard = discardBytesMax == 0 ? 0 : Math.max(unit, discardBytesMax / unit * unit);
        return possible.toBuilder()
                .requestBytesMax(Math.min(possible.requestBytesMax(), Math.max(block, requestBytesMax / block * block)))
                .discardBytesMax(Math.min(possible.discardBytesMax(), discard))
                .writeCache(cached && possible.hasWriteCache(), cached && fua && possible.hasFua())
                .rotational(rotational == null ? possible.isRotational() : rotational).build();
    }
}
