package io.blkmq.core.driver;

/** What a driver did about a request that timed out. The kernel's counterpart is {@code enum blk_eh_timer_return}. */
public enum TimeoutAction {
    /** The driver has ended the request, or will. */
    DONE,
    /** Wait for it once more. */
    RESET_TIMER
}
