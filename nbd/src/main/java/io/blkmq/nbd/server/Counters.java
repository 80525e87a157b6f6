package io.blkmq.nbd.server;

import java.util.concurrent.atomic.LongAdder;

/** What the server counts. Any thread. */
public final class Counters {
    /** Connections that were accepted. */
    public final LongAdder accepted = new LongAdder();
    /** Connections that were closed at once, because there were too many. */
    public final LongAdder refused = new LongAdder();
    /** Connections that were closed because their clients broke the protocol, or stalled. */
    public final LongAdder aborted = new LongAdder();
    /** Reads that were answered. */
    public final LongAdder reads = new LongAdder();
    /** Writes that were answered. */
    public final LongAdder writes = new LongAdder();
    /** Other requests that were answered. */
    public final LongAdder others = new LongAdder();
    /** Requests that were answered with an error. */
    public final LongAdder errors = new LongAdder();
    /** Bytes of reads that went well. */
    public final LongAdder bytesRead = new LongAdder();
    /** Bytes of writes that went well. */
    public final LongAdder bytesWritten = new LongAdder();

    /** Makes counters at 0. */
    public Counters() {}
}
