package io.blkmq.core;

import io.blkmq.testing.Eventually;

/** The tags of a disk that are held, in tests. */
public final class HeldTags {
    private HeldTags() {}

    /**
     * Waits until all tags are free. They are freed shortly after the completions of their bios have returned.
     *
     * @param disk whose
     */
    public static void awaitNone(Disk disk) {
        Eventually.until("all tags are free", () -> disk.queue().heldTags() == 0);
    }
}
