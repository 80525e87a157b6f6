package io.blkmq.testkit.junit;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.testkit.disk.PowerCut;
import io.blkmq.testkit.disk.SeenRequest;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.AbstractAssert;

/**
 * Assertions on a {@link SimulatedDisk}.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // who uses it has JUnit and AssertJ
public final class SimulatedDiskAssert extends AbstractAssert<SimulatedDiskAssert, SimulatedDisk> {
    SimulatedDiskAssert(SimulatedDisk actual) {
        super(actual, SimulatedDiskAssert.class);
    }

    /**
     * Some bytes are there, and each power cut leaves them.
     *
     * @param offset where, in bytes
     * @param bytes what is there
     * @return this
     */
    public SimulatedDiskAssert hasDurable(long offset, byte[] bytes) {
        isNotNull();
        byte[] left = actual.snapshot(PowerCut.ALL_LOST).read(offset, bytes.length);
        int mismatch = Arrays.mismatch(left, bytes);
        if (mismatch >= 0) {
            boolean there = Arrays.equals(actual.snapshot().read(offset, bytes.length), bytes);
            failWithMessage(
                    "expected %s bytes at offset %s to be durable, but byte %s is %s and not %s after a power cut; %s",
                    bytes.length, offset, mismatch, left[mismatch], bytes[mismatch],
                    there
                            ? "they are only in the cache: nothing has flushed them"
                            : "they are not there without one either");
        }
        if (!actual.isDurable(offset, bytes.length)) {
            failWithMessage("expected %s bytes at offset %s to be durable, but newer ones wait in the cache",
                    bytes.length, offset);
        }
        return this;
    }

    /**
     * The device has no requests.
     *
     * @return this
     */
    public SimulatedDiskAssert hasNoInFlight() {
        isNotNull();
        if (actual.inFlight() > 0) {
            failWithMessage("expected no requests in flight, but there are %s: %s", actual.inFlight(),
                    actual.lastRequests().stream().filter(request -> request.status() == null).toList());
        }
        return this;
    }

    /**
     * The device has flushed between two writes: after the end of the last one at a place that has a later one at another place, and before it was
     * given the first of these. So the flush covers the earlier write, and has ended when the later one begins. An earlier write with FUA needs no
     * flush if it has ended by then. Earlier writes that failed do not count. The device knows its last 64 requests.
     *
     * @param firstOffset a place that the earlier write touches, in bytes
     * @param secondOffset a place that the later write touches
     * @return this
     */
    public SimulatedDiskAssert sawFlushBetween(long firstOffset, long secondOffset) {
        isNotNull();
        List<SeenRequest> seen = actual.lastRequests();
        SeenRequest last = seen.reversed().stream().filter(request -> writesAt(request, secondOffset)).findFirst()
                .orElse(null);
        if (last == null) {
            failWithMessage("expected a write at offset %s, but the device has seen %s", secondOffset, seen);
            return this;
        }
        SeenRequest first = seen.reversed().stream().filter(request -> request.number() < last.number()
                && writesAt(request, firstOffset) && (request.status() == null || request.status() == Status.OK))
                .findFirst().orElse(null);
        if (first == null) {
            failWithMessage("expected a write at offset %s that ends well before %s, but the device has seen %s",
                    firstOffset, last, seen);
            return this;
        }
        SeenRequest second = seen.stream()
                .filter(request -> request.number() > first.number() && writesAt(request, secondOffset)).findFirst()
                .orElse(last);
        boolean durableByItself = (first.flags() & Bio.FUA) != 0 && endedBefore(first, second);
        boolean flushed = seen.stream().anyMatch(request -> request.operation() == Operation.FLUSH
                && request.status() == Status.OK && endedBefore(first, request) && endedBefore(request, second));
        if (!durableByItself && !flushed) {
            failWithMessage("expected a flush between %s and %s, but the device has seen %s", first, second, seen);
        }
        return this;
    }

    private static boolean endedBefore(SeenRequest earlier, SeenRequest later) {
        return earlier.endedAfter() != 0 && earlier.endedAfter() < later.number();
    }

    private static boolean writesAt(SeenRequest request, long offset) {
        return request.operation() != Operation.READ && request.operation() != Operation.FLUSH
                && request.offset() <= offset && offset < request.offset() + request.bytes();
    }
}
