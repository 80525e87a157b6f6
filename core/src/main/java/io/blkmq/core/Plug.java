package io.blkmq.core;

import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SectorRange;
import io.blkmq.core.driver.SoftwareContext;
import org.jspecify.annotations.Nullable;

/**
 * Holds back what one thread submits until it is flushed, so that the device gets it as one batch: one look at the tags, one
 * doorbell. The kernel's counterpart is {@code struct blk_plug}.
 *
 * <pre>{@code
 * try (Plug plug = disk.plug()) {
 *     for (Bio bio : bios) {
 *         plug.submit(bio);
 *     }
 * }
 * }</pre>
 *
 * <p>For one thread. May be kept and used again after {@link #flush}. It goes down by itself when it holds 32 requests, and
 * before {@link #submit} waits for a tag. Do not block on anything else while it holds requests.
 */
public final class Plug extends RequestBatch implements AutoCloseable {
    private final RequestQueue queue;
    /** What the bios are for; null for the whole device. */
    private final @Nullable SectorRange range;

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
        SectorRange part = range;
        if (part == null) {
            queue.submit(bio, this);
        } else {
            part.submit(bio, this);
        }
    }

    /** Sends down what is held back. */
    public void flush() {
        flushTo(queue);
    }

    /** Flushes. */
    @Override
    public void close() {
        flush();
    }
}
