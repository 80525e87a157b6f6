package io.blkmq.core;

import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SectorRange;
import io.blkmq.core.driver.SoftwareContext;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Holds back what one thread submits until it is flushed, so that the device gets it as one batch: one look at the tags, one
 * doorbell, and neighbours in one request. The kernel's counterpart is {@code struct blk_plug}.
 *
 * <pre>{@code
 * try (Plug plug = disk.plug()) {
 *     for (Bio bio : bios) {
 *         plug.submit(bio);
 *     }
 * }
 * }</pre>
 *
 * <p>For one thread, and for completions that run on it, also within a flush. May be kept and used again after {@link #flush}. It goes down by itself when it holds 32 requests, or 64 for
 * several disks; before the next request once one has grown to 128 KiB; and before blkmq makes the thread wait, for whatever. Before
 * you wait for something else that may depend on it, flush it, or {@link #flushAll}.
 *
 * @since 0.1.0
 */
public final class Plug extends RequestBatch implements AutoCloseable {
    /** As many requests as a plug for several disks holds. */
    private static final int REQUESTS_OF_SEVERAL_MAX = 64;

    private final RequestQueue queue;
    /** What the bios are for; null for the whole device. */
    private final @Nullable SectorRange range;
    /** What goes to other queues, by queue. */
    private final List<Side> sides = new ArrayList<>();
    /** Whether there are such. */
    private boolean several;

    Plug(RequestQueue queue, SoftwareContext ctx, @Nullable SectorRange range) {
        super(ctx);
        this.queue = queue;
        this.range = range;
    }

    /**
     * Announces how many bios come before the next flush, so that their tags can be taken in one step. Fewer or more do no harm.
     *
     * @param bios how many
     * @return this
     */
    public Plug expecting(int bios) {
        expect(bios);
        return this;
    }

    /**
     * Submits a bio like {@link Disk#submit}, and holds it back.
     *
     * @param bio an idle bio; from now on the device's
     */
    public void submit(Bio bio) {
        send(bio, range, queue, this);
        if (several) {
            flushIfFull();
        }
    }

    /**
     * Submits a bio to any disk, through the calling thread's context there, and holds it back. The disk gets it with all others that
     * this plug holds for it.
     *
     * @param disk where to
     * @param bio an idle bio; from now on the device's
     */
    public void submit(Disk disk, Bio bio) {
        RequestQueue other = disk.queue();
        send(bio, disk.range(), other, other.equals(queue) ? this : sideOf(other));
        flushIfFull();
    }

    private static void send(Bio bio, @Nullable SectorRange part, RequestQueue to, RequestBatch batch) {
        if (part == null) {
            to.submit(bio, batch);
        } else {
            part.submit(bio, batch);
        }
    }

    private Side sideOf(RequestQueue other) {
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
     * Sends down what is held back, disk by disk. What completions submit to this plug meanwhile, on this thread, is held back like
     * anything else.
     */
    public void flush() {
        flushTo(queue);
        if (several) {
            // By index: a completion may bring another disk.
            for (int i = 0; i < sides.size(); i++) {
                sides.get(i).flush();
            }
        }
    }

    /** Sends down what any plug of the calling thread holds back: blkmq does so by itself before it waits. */
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
