package io.blkmq.nbd;

/**
 * What a server has done since it was started.
 *
 * @param connections clients that are connected now
 * @param accepted clients that have come
 * @param refused clients that were sent away because there were too many
 * @param aborted clients that were sent away because they broke the protocol, or stalled
 * @param reads requests that were answered with data
 * @param writes writes that were acknowledged
 * @param others other requests that went well
 * @param errors requests that were answered with an error
 * @param bytesRead bytes of {@code reads}
 * @param bytesWritten bytes of {@code writes}
 * @param memoryBytes memory of requests now, with what is kept for the next ones
 * @since 0.1.0
 */
public record NbdStatistics(int connections, long accepted, long refused, long aborted, long reads, long writes,
        long others, long errors, long bytesRead, long bytesWritten, long memoryBytes) {}
