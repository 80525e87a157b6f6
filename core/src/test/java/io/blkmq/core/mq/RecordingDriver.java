package io.blkmq.core.mq;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A driver for tests: it keeps data in an array, records what it is given, answers what the test says, and completes when the test
 * says so. It checks that everything it is given is within the limits of its queue and under a tag of its own. Thread-safe.
 */
public class RecordingDriver implements BlockDriver {
    /** The size of its devices. */
    public static final int CAPACITY_BYTES = 1 << 20;

    private final List<String> log = new ArrayList<>();
    private final Deque<Request> inFlight = new ArrayDeque<>();
    private final Deque<Function<Request, @Nullable Status>> answers = new ArrayDeque<>();
    private final Set<String> tagsInFlight = new HashSet<>();
    private final List<String> violations = new ArrayList<>();
    private final byte[] data = new byte[CAPACITY_BYTES];

    private QueueLimits.Builder limits = QueueLimits.builder();
    private int depth = 128;
    private int hardwareQueues = 1;
    private int reservedTags;
    private int pduBytes;
    private boolean polled;
    private boolean completesAtOnce;
    private IoRuntime runtime = IoRuntime.system();
    private volatile Function<Request, TimeoutAction> onTimeout = _ -> TimeoutAction.RESET_TIMER;

    /** A driver whose requests stay in flight until the test completes them. */
    public RecordingDriver() {}

    // ---- set-up

    /**
     * Sets the depth.
     *
     * @param value requests
     * @return this
     */
    public RecordingDriver depth(int value) {
        depth = value;
        return this;
    }

    /**
     * Sets how many hardware queues there are.
     *
     * @param value queues
     * @return this
     */
    public RecordingDriver hardwareQueues(int value) {
        hardwareQueues = value;
        return this;
    }

    /**
     * Sets the reserved tags.
     *
     * @param value tags
     * @return this
     */
    public RecordingDriver reservedTags(int value) {
        reservedTags = value;
        return this;
    }

    /**
     * Sets the bytes of a PDU.
     *
     * @param value bytes
     * @return this
     */
    public RecordingDriver pduBytes(int value) {
        pduBytes = value;
        return this;
    }

    /**
     * Makes it polled: {@code poll} completes everything in flight.
     *
     * @return this
     */
    public RecordingDriver polled() {
        polled = true;
        return this;
    }

    /**
     * Completes each request in {@code queueRq}.
     *
     * @return this
     */
    public RecordingDriver completesAtOnce() {
        completesAtOnce = true;
        return this;
    }

    /**
     * Sets time and threads.
     *
     * @param value a runtime
     * @return this
     */
    public RecordingDriver runtime(IoRuntime value) {
        runtime = value;
        return this;
    }

    /**
     * Changes the limits.
     *
     * @param change of the builder
     * @return this
     */
    public RecordingDriver limits(UnaryOperator<QueueLimits.Builder> change) {
        limits = change.apply(limits);
        return this;
    }

    /**
     * Makes the tag set.
     *
     * @return a new one
     */
    public TagSet tagSet() {
        return tagSet(builder -> builder);
    }

    /**
     * Makes the tag set.
     *
     * @param more says what else it has
     * @return a new one
     */
    public TagSet tagSet(UnaryOperator<TagSet.Builder> more) {
        TagSet.Builder builder = TagSet.builder(this).depth(depth).hardwareQueues(hardwareQueues)
                .reservedTags(reservedTags).pduBytes(pduBytes).runtime(runtime);
        try {
            return more.apply(polled ? builder.flag(TagSet.Flag.POLLED) : builder).build();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Makes a disk with a tag set of its own.
     *
     * @return a new one
     */
    public Disk disk() {
        TagSet set = tagSet();
        return Disk.of(queue(set, "rec0"), set);
    }

    /**
     * Makes a queue.
     *
     * @param set its tags
     * @param name its name
     * @return a new one
     */
    public RequestQueue queue(TagSet set, String name) {
        try {
            return set.newQueue(name, limits.build(), CAPACITY_BYTES / QueueLimits.SECTOR_BYTES, null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // ---- what a test says

    /**
     * Answers the next request so, once.
     *
     * @param answer the status; null is given as it is
     * @return this
     */
    public RecordingDriver answer(@Nullable Status answer) {
        return answerBy(_ -> answer);
    }

    /** {@return how many answers were still to be given, and are not any more} */
    public synchronized int forgetAnswers() {
        int left = answers.size();
        answers.clear();
        return left;
    }

    /**
     * Answers the next request by a function, once.
     *
     * @param answer what to do with the request
     * @return this
     */
    public synchronized RecordingDriver answerBy(Function<Request, @Nullable Status> answer) {
        answers.addLast(answer);
        return this;
    }

    /**
     * Completes the oldest request.
     *
     * @param status how it went; data is moved if it went well
     */
    public void complete(Status status) {
        Request rq;
        synchronized (this) {
            rq = inFlight.removeFirst();
        }
        complete(rq, status);
    }

    /**
     * Completes requests until none is in flight.
     *
     * @return how many there were
     */
    public int completeAll() {
        int count = 0;
        for (Request rq = next(); rq != null; rq = next()) {
            complete(rq, Status.OK);
            count++;
        }
        return count;
    }

    private synchronized @Nullable Request next() {
        return inFlight.pollFirst();
    }

    /**
     * Completes a request that this driver has.
     *
     * @param rq which
     * @param status how it went
     */
    public void complete(Request rq, Status status) {
        if (status == Status.OK) {
            move(rq);
        }
        synchronized (this) {
            inFlight.remove(rq);
            tagsInFlight.remove(nameOf(rq));
        }
        rq.complete(status);
    }

    /**
     * Answers the question what to do about a request that takes too long.
     *
     * @param answer is given the request; without one, the time begins anew
     */
    public void onTimeout(Function<Request, TimeoutAction> answer) {
        onTimeout = answer;
    }

    /**
     * Gives back a request that this driver has.
     *
     * @param rq which
     * @param kick whether at once
     */
    public void requeue(Request rq, boolean kick) {
        synchronized (this) {
            inFlight.remove(rq);
            tagsInFlight.remove(nameOf(rq));
        }
        rq.requeue(kick);
    }

    // ---- what a test asks

    /**
     * What it was given and told, in order, since this was asked last.
     *
     * @return a copy
     */
    public synchronized List<String> log() {
        List<String> copy = List.copyOf(log);
        log.clear();
        return copy;
    }

    /**
     * What is in flight.
     *
     * @return oldest first
     */
    public synchronized List<Request> inFlight() {
        return List.copyOf(inFlight);
    }

    /**
     * What it was given that a driver must never be given.
     *
     * @return empty if all is well
     */
    public synchronized List<String> violations() {
        return List.copyOf(violations);
    }

    /**
     * The data of its device.
     *
     * @return not a copy
     */
    public byte[] data() {
        return data;
    }

    // ---- the driver

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        Function<Request, @Nullable Status> answer;
        synchronized (this) {
            check(rq);
            log.add(describe(rq) + (last ? "" : " more"));
            answer = answers.pollFirst();
        }
        Status status = answer == null ? Status.OK : answerOf(answer, rq);
        if (status == Status.OK) {
            take(hctx, rq);
        }
        return status;
    }

    @SuppressWarnings("NullAway") // a driver that breaks its contract is what some tests are about
    private static Status answerOf(Function<Request, @Nullable Status> answer, Request rq) {
        return answer.apply(rq);
    }

    private void take(HardwareContext hctx, Request rq) {
        synchronized (this) {
            int state = Inside.of(rq).state();
            if (state != TagRequest.IN_FLIGHT && state != TagRequest.TIMING) {
                return;
            }
            if (!tagsInFlight.add(nameOf(rq))) {
                violations.add("tag twice in flight: " + rq);
            }
            if (!hctx.request(rq.tag()).equals(rq)) {
                violations.add("another request under the tag of " + rq);
            }
            if (!completesAtOnce) {
                inFlight.addLast(rq);
            }
        }
        if (completesAtOnce) {
            complete(rq, Status.OK);
        }
    }

    /** A tag is its own while its request or a flush request that it was lent to is in flight. */
    private static String nameOf(Request rq) {
        return rq.hardwareContext().index() + ":" + rq.tag();
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        return onTimeout.apply(rq);
    }

    @Override
    public void commitRqs(HardwareContext hctx) {
        record("commit");
    }

    /**
     * Adds a line to the log.
     *
     * @param line what happened
     */
    public synchronized void record(String line) {
        log.add(line);
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        return completeAll();
    }

    private static String describe(Request rq) {
        return rq.operation() + (rq.operation().hasRange() ? " " + rq.sector() : "")
                + ((rq.flags() & io.blkmq.core.Bio.FUA) != 0 ? " FUA" : "");
    }

    /** Under the lock. */
    private void check(Request rq) {
        QueueLimits lim = rq.queue().limits();
        checkRange(rq, lim);
        if (!rq.operation().hasData()) {
            return;
        }
        checkBoundaries(rq, lim);
        require(rq.bytes() <= lim.requestBytesMax(), rq, "longer than requestBytesMax");
        require(rq.segmentCount() <= lim.segmentsMax(), rq, rq.segmentCount() + " segments");
        require(rq.bytes() % lim.logicalBlockBytes() == 0, rq, "not whole blocks");
        long[] sum = new long[1];
        rq.forEachSegment((memory, offset, bytes) -> {
            sum[0] += bytes;
            require(bytes <= lim.segmentBytesMax(), rq, "a segment of " + bytes + " bytes");
            require(lim.takesAnyMemory() || memory.isNative(), rq, "a segment on the heap");
            require(lim.takesAnyMemory() || ((memory.address() + offset | bytes) & (lim.dmaAlignmentBytes() - 1)) == 0,
                    rq, "a misaligned segment");
        });
        require(sum[0] == rq.bytes(), rq, "segments of " + sum[0] + " bytes in all");
    }

    private void checkRange(Request rq, QueueLimits lim) {
        long start = rq.sector() * QueueLimits.SECTOR_BYTES;
        long chunk = lim.chunkBytes();
        Operation operation = rq.operation();
        if (chunk != 0 && operation.hasRange() && operation != Operation.DISCARD) {
            require(start / chunk == (start + rq.bytes() - 1) / chunk, rq, "crosses a chunk of " + chunk);
        }
        require(operation != Operation.DISCARD || rq.bytes() <= lim.discardBytesMax(), rq,
                "longer than discardBytesMax");
        require(operation != Operation.WRITE_ZEROES || rq.bytes() <= lim.writeZeroesBytesMax(), rq,
                "longer than writeZeroesBytesMax");
    }

    private void checkBoundaries(Request rq, QueueLimits lim) {
        long segment = lim.segmentBoundaryBytes();
        long virtual = lim.virtualBoundaryBytes();
        long[] end = {-1};
        rq.forEachSegment((memory, offset, bytes) -> {
            long address = memory.address() + offset;
            require(segment == 0 || address / segment == (address + bytes - 1) / segment, rq,
                    "a segment of " + bytes + " bytes at " + address + " crosses a multiple of " + segment);
            require(virtual == 0 || end[0] < 0 || (end[0] % virtual == 0 && address % virtual == 0), rq,
                    "segments meet at " + end[0] + " and " + address + ", off the virtual boundary of " + virtual);
            end[0] = address + bytes;
        });
    }

    private void require(boolean holds, Request rq, String what) {
        if (!holds) {
            violations.add(rq + ": " + what);
        }
    }

    private void move(Request rq) {
        int[] at = {Math.toIntExact(rq.sector() * QueueLimits.SECTOR_BYTES)};
        switch (rq.operation()) {
            case READ, WRITE -> rq.forEachSegment((memory, offset, bytes) -> {
                MemorySegment device = MemorySegment.ofArray(data).asSlice(at[0], bytes);
                if (rq.operation() == Operation.WRITE) {
                    device.copyFrom(memory.asSlice(offset, bytes));
                } else {
                    memory.asSlice(offset, bytes).copyFrom(device);
                }
                at[0] += bytes;
            });
            case DISCARD, WRITE_ZEROES -> MemorySegment.ofArray(data).asSlice(at[0], rq.bytes()).fill((byte) 0);
            case FLUSH -> {
            }
        }
    }
}
