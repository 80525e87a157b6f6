package io.blkmq.aio;

/**
 * Whether the owner of a polled ring should ring before its batch is complete.
 *
 * <p>One system call for a batch is right for an owner that has more to do than it has time. An owner that waits for the device has
 * time, and a batch then costs throughput: what ended together is submitted together, so that operations come to move in a herd, and
 * the device has little to do while the last of the herd is told and the next one written. So who has had to wait rings after every
 * {@value #BATCH} operations, for as many as were in flight then. Who finds completions whenever it looks batches; so does who submits
 * what ends inside the doorbell (cached, or in memory), since it never waits.
 *
 * <p>The owner's, without any order.
 */
final class PromptDoorbell {
    /** More at a time are held back by the kernel, to be handed to the device together (it plugs from three on). */
    static final int BATCH = 2;

    private final boolean wanted;
    /** Whether nothing had ended when the owner last looked; perhaps only because nothing was handed over yet. */
    private boolean foundNothing;
    /** Whether that is certain to have been the device's doing. */
    private boolean waited;
    /** Operations that may still be handed over early. */
    private long credit;
    /** Whether what is submitted now is handed over early. */
    private boolean prompt;
    private int notRung;

    PromptDoorbell(boolean wanted) {
        this.wanted = wanted;
    }

    /** Nothing has ended. {@code certain}: and everything in flight had been handed over, so that it is the device that takes time. */
    void foundNothing(boolean certain) {
        foundNothing = true;
        waited |= certain;
    }

    /** So many have ended, of so many in flight. */
    void found(int count, long inFlight) {
        // Where all that is in flight has ended, it may have done so inside the doorbell.
        if (waited || (foundNothing && count < inFlight)) {
            credit = inFlight;
        }
        foundNothing = false;
        waited = false;
        // A single one is followed by the doorbell at once.
        prompt = wanted && credit > 0 && count > 1;
    }

    /** An operation has been submitted; whether to ring now. */
    boolean isDue() {
        if (!prompt) {
            return false;
        }
        prompt = --credit > 0;
        if (++notRung < BATCH) {
            return false;
        }
        notRung = 0;
        return true;
    }
}
