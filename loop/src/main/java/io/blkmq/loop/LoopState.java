package io.blkmq.loop;

/**
 * Whether a device has a file. The kernel's counterparts are Lo_unbound, Lo_bound and Lo_rundown.
 *
 * @since 0.1.0
 */
public enum LoopState {
    /** It has none, and its size is 0. */
    UNBOUND,
    /** It has one. */
    BOUND,
    /** It has none any more, but is still open: I/O fails with EIO, and it can be given a file after its last handle is closed. */
    RUNDOWN
}
