package io.blkmq.core;

import io.blkmq.core.mq.Batch;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.SectorRange;
import io.blkmq.core.mq.EntryContext;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Collects the bios that one thread submits, so that the device gets them as one batch: one look at the tags, one doorbell, and
 * neighbours in one request. The kernel's counterpart is {@code struct blk_plug}.
 *
 * <pre>{@code
 * try (Plug plug = disk.plug()) {
 *     for (Bio bio : bios) {
 *         plug.submit(bio);
 *     }
 * }
 * }</pre>
 *
 * <p>A plug is for one thread, and for completions that run on that thread, also within a flush. It may be used again after
 * {@link #flush}. A plug flushes itself: at 32 requests (64 if it serves several disks); when one request has grown to 128 KiB; and
 * whenever blkmq is about to block this thread. Before you wait for something else that may depend on its bios, call {@link #flush} or
 * {@link #flushAll}.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // the engine keeps its part of the object in the superclass
public final class Plug extends Batch implements AutoCloseable {
    /** As many requests as a plug for several disks holds. */
    private static final int REQUESTS_OF_SEVERAL_MAX = 64;

    private final DeviceQueue queue;
    /** What the bios are for; null for the whole device. */
    private final @Nullable SectorRange range;
    /** What goes to other queues, by queue. */
    private final List<Side> sides = new ArrayList<>();
    /** Whether there are such. */
    private boolean several;

    Plug(DeviceQueue queue, EntryContext ctx, @Nullable SectorRange range) {
        super(ctx);
        this.queue = queue;
        this.range = range;
    }

    /**
     * Announces the number of bios before the next flush, so that their tags can be taken in one step. Fewer or more do no harm.
     *
     * @param bios how many
     * @return this
     */
    public Plug expecting(int bios) {
        expect(bios);
        return this;
    }

    /**
     * Submits a bio like {@link Disk#submit}, and keeps it until the flush.
     *
     * @param bio an idle bio; from now on the device's
     */
    public void submit(Bio bio) {
        queue.submit(bio, this, range);
        if (several) {
            flushIfFull();
        }
    }

    /** The same, and where it has to wait no interrupt ends that. */
    void submitUninterruptibly(Bio bio) {
        queue.submitUninterruptibly(bio, this, range);
        if (several) {
            flushIfFull();
        }
    }

    /**
     * Submits a bio to any disk, through the calling thread's context there, and keeps it until the flush. The disk gets it together
     * with all its other bios of this plug.
     *
     * @param disk where to
     * @param bio an idle bio; from now on the device's
     */
    public void submit(Disk disk, Bio bio) {
        DeviceQueue other = disk.deviceQueue();
        other.submit(bio, other.equals(queue) ? this : sideOf(other), disk.range);
        flushIfFull();
    }

    private Side sideOf(DeviceQueue other) {
        for (Side side : sides) {
            if (side.goesTo(other)) {
                return side;
            }
        }
        Side side = new Side(other.contextOfCurrentThread());
        sides.add(side);
        several = true;
        return side;
    }

    private void flushIfFull() {
        int held = size();
        for (int i = 0; i < sides.size(); i++) {
            held += sides.get(i).size();
        }
        if (held >= REQUESTS_OF_SEVERAL_MAX) {
            flush();
        }
    }

    /**
     * Hands the collected bios to their disks, one disk after the other. Bios that completions on this thread submit to this plug
     * meanwhile are collected for the next flush.
     */
    public void flush() {
        flushHeld();
        if (several) {
            // By index: a completion may bring another disk.
            for (int i = 0; i < sides.size(); i++) {
                sides.get(i).flush();
            }
        }
    }

    /** Flushes all plugs of the calling thread. blkmq does so by itself before it makes the thread wait. */
    public static void flushAll() {
        flushOwn();
    }

    /** Flushes until nothing is held back, since nobody else may do so. */
    @Override
    public void close() {
        do {
            flush();
        } while (holdsSomething());
    }

    private boolean holdsSomething() {
        if (!isEmpty()) {
            return true;
        }
        for (int i = 0; i < sides.size(); i++) {
            if (!sides.get(i).isDone()) {
                return true;
            }
        }
        return false;
    }
}
