package io.blkmq.core.driver;

/**
 * What a driver did about a request that timed out. The kernel's counterpart is {@code enum blk_eh_timer_return}.
 *
 * @since 0.1.0
 */
public enum TimeoutAction {
    /** The driver has ended the request, or will. */
    DONE,
    /** Wait for it once more. */
    RESET_TIMER
}
