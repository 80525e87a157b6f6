package io.blkmq.core;

import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import java.util.ArrayList;
import java.util.List;

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
 * <p>For one thread. May be kept and used again after {@link #flush}. It goes down by itself when it holds 32 requests, or 64 for
 * several disks; before the next request once one has grown to 128 KiB; and before blkmq makes the thread wait, for whatever. Before
 * you wait for something else that may depend on it, flush it, or {@link #flushAll}.
 */
public final class Plug extends RequestBatch implements AutoCloseable {
    /** As many requests as a plug for several disks holds. */
    private static final int REQUESTS_OF_SEVERAL_MAX = 64;

    private final RequestQueue queue;
    /** What goes to other queues, by queue. */
    private final List<Side> sides = new ArrayList<>();

    Plug(RequestQueue queue, SoftwareContext ctx) {
        super(ctx);
        this.queue = queue;
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
        queue.submit(bio, this);
        if (!sides.isEmpty()) {
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
        if (disk.queue().equals(queue)) {
            submit(bio);
            return;
        }
        disk.queue().submit(bio, sideOf(disk.queue()));
        flushIfFull();
    }

    private Side sideOf(RequestQueue other) {
        for (Side side : sides) {
            if (side.goesTo(other)) {
                return side;
            }
        }
        Side side = new Side(other.contextOfCurrentThread());
        sides.add(side);
        return side;
    }

    private void flushIfFull() {
        int held = size();
        for (Side side : sides) {
            held += side.size();
        }
        if (held >= REQUESTS_OF_SEVERAL_MAX) {
            flush();
        }
    }

    /** Sends down what is held back, disk by disk. */
    public void flush() {
        flushTo(queue);
        for (Side side : sides) {
            side.flush();
        }
    }

    /** Sends down what any plug of the calling thread holds back: blkmq does so by itself before it waits. */
    public static void flushAll() {
        flushOwn();
    }

    /** Flushes. */
    @Override
    public void close() {
        flush();
    }
}
