package io.blkmq.aio;

/**
 * Counters of an engine since it was opened. Each figure is exact when the engine is idle; while it works the
 * figures are recent, each on its own.
 *
 * @param submitted operations accepted by submit
 * @param completed operations whose completion has been called
 * @param systemCalls calls into the kernel that submitted, reaped or waited ({@code io_uring_enter}, {@code io_submit},
 *        {@code io_getevents}; for {@code channel} one for each operation carried out)
 * @param shortTransfersContinued transfers that moved less than asked and were continued
 * @param resubmitted operations that the kernel gave back with EAGAIN, EINTR or ECANCELED and that were submitted again
 * @param deferred operations that found the ring full and waited in the engine for a place
 * @param completionOverflows times the kernel said that the completion ring was full
 * @param fixedBufferOperations operations that used registered memory
 * @param fixedFileOperations operations that used a registered file
 * @param completionsThrown completions that threw; each was logged
 * @since 0.1.0
 */
public record AioStatistics(long submitted, long completed, long systemCalls, long shortTransfersContinued,
        long resubmitted, long deferred, long completionOverflows, long fixedBufferOperations, long fixedFileOperations,
        long completionsThrown) {

    /** {@return operations that were accepted, and whose completion has not been called} */
    public long inFlight() {
        return submitted - completed;
    }
}
