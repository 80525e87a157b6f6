package io.blkmq.aio;

import java.util.concurrent.atomic.AtomicLong;

/** What an engine with a ring counts, beside its {@link Outcomes}. Any thread reads; each counter has one writer at a time, but for the calls. */
final class RingCounters {

    /** Operations accepted; not counted where operations are handed over. Written by the placer. */
    final SingleWriterCounter submitted = new SingleWriterCounter();
    /** Written by the placer. */
    final SingleWriterCounter deferrals = new SingleWriterCounter();
    /** Written by the completer. */
    final SingleWriterCounter overflows = new SingleWriterCounter();
    /** Written by the placer. */
    final SingleWriterCounter fixedBuffers = new SingleWriterCounter();
    /** Written by the placer. */
    final SingleWriterCounter fixedFiles = new SingleWriterCounter();
    final AtomicLong systemCalls = new AtomicLong();

    /** The figures now, given those that others count. */
    AioStatistics read(long accepted, long told, Outcomes outcomes, long thrown) {
        return new AioStatistics(accepted, told, systemCalls.get(), outcomes.continued.get(),
                outcomes.resubmitted.get(), deferrals.get(), overflows.get(), fixedBuffers.get(), fixedFiles.get(),
                thrown);
    }
}
