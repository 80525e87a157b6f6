package io.blkmq.core.mq;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What an elevator has given out for one hardware context in one go, and the requests that carry it out to the driver: the hand of the
 * thread that serves the context. Its tags are taken before the elevator is asked, several in one step; those that nothing was found for
 * are given back together.
 *
 * <pre>
 *   EMPTY ──takeTag──▶ TAGS ──given out──▶ FILLED ──window by window to the driver──▶ EMPTY
 * </pre>
 *
 * <p>A driver is shown the requests of one software context at a time: a window of them.
 */
final class ScheduledBatch extends IssueBatch {
    private final Tags tags;
    /** The driver's tags, as numbers: storing a number costs less than storing a reference. First those that carry something. */
    private final int[] tagNumbers = new int[REQUESTS_MAX];
    private final long[] uses = new long[REQUESTS_MAX];
    /** What was given out and has no carrier yet. */
    private final @Nullable TagRequest[] given = new TagRequest[REQUESTS_MAX];
    private int tagCount;
    private int givenCount;
    /** How many carry something. */
    private int count;
    /** What a driver is shown: from here on so many. */
    private int first;
    private int length;

    ScheduledBatch(Tags tags) {
        this.tags = tags;
    }

    // ---- filled

    void clear() {
        tagCount = 0;
        count = 0;
        first = 0;
        length = 0;
    }

    /** The driver's tags that it has, with those that carry something. */
    int tagCount() {
        return tagCount;
    }

    void addTag(TagRequest rq) {
        tagNumbers[tagCount++] = rq.tag();
    }

    /** Notes what the elevator has given out. Under the elevator's lock: what is to be done with it comes after that. */
    void give(TagRequest rq) {
        given[givenCount++] = rq;
    }

    /** How much the elevator has given out that has no carrier yet. */
    int givenCount() {
        return givenCount;
    }

    TagRequest given(int index) {
        return Objects.requireNonNull(given[Objects.checkIndex(index, givenCount)]);
    }

    /** Lets the next tag carry out what was given. */
    void carryOut(TagRequest rq) {
        tags.requests[tagNumbers[count++]].carryOut(rq);
    }

    /** All that was given has a carrier, or has gone elsewhere. */
    void clearGiven() {
        Arrays.fill(given, 0, givenCount, null);
        givenCount = 0;
    }

    /** Takes one tag out that carries nothing; null if none does. */
    @Nullable
    TagRequest takeUnused() {
        return tagCount == count ? null : tags.requests[tagNumbers[--tagCount]];
    }

    // ---- on its way

    /** How many carry something. */
    int count() {
        return count;
    }

    TagRequest carrier(int index) {
        return tags.requests[tagNumbers[Objects.checkIndex(index, count)]];
    }

    /** Shows those of one software context, from one on. Returns where the next begin. */
    int showFrom(int begin) {
        EntryContext ctx = carrier(begin).softwareContext();
        int end = begin + 1;
        while (end < count && carrier(end).softwareContext() == ctx) {
            end++;
        }
        first = begin;
        length = end - begin;
        return end;
    }

    @Override
    public int size() {
        return length;
    }

    @Override
    public TagRequest request(int index) {
        return tags.requests[tagNumbers[first + Objects.checkIndex(index, length)]];
    }

    @Override
    public int tag(int index) {
        return tagNumbers[first + Objects.checkIndex(index, length)];
    }

    @Override
    void start(int tick, long nowNanos) {
        for (int i = 0; i < length; i++) {
            TagRequest rq = request(i);
            rq.issued(nowNanos);
            uses[first + i] = rq.start(tick);
        }
    }

    @Override
    long use(int index) {
        return uses[first + index];
    }
}
