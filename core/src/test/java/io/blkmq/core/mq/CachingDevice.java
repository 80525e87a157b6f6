package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.DurabilityChecker;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A device with a volatile cache in a simulation. It refuses, fails, gives back, completes at once, late or never, as its seed says,
 * and tells a {@link DurabilityChecker}. It also notes flushes that should have been put off: C2 saves flushes and keeps no promise,
 * so no checker of durability would miss it.
 *
 * <p>What the driver can know about C2: a flush was decided on at some moment between the later of the end of the flush before and the
 * end of the data of its first waiter, and now. If sequenced data was in its hands for all of that time, and C3 cannot have been the
 * reason, C2 was broken.
 */
final class CachingDevice implements BlockDriver {
    /** Below the time of C3 by more than any thread is left standing between deciding on a flush and sending it. */
    private static final long SURELY_NOT_OVERDUE_NANOS = TimeUnit.SECONDS.toNanos(4);

    private final DeterministicRuntime runtime;
    private final SplittableRandom random;
    final DurabilityChecker checker;
    private final Map<HardwareContext, Flushes> flushes = new HashMap<>();
    /** Counts what happens. */
    private int events;
    /** When sequenced data of a request came back last. */
    private final Map<Request, Integer> dataEnds = new HashMap<>();
    private final List<String> brokenC2 = new ArrayList<>();
    /** Where each flush that is under way began. */
    private final Map<Request, Long> begun = new HashMap<>();
    private int inFlight;
    private boolean gone;

    /** What it has seen of the flush machine of a context. */
    private static final class Flushes {
        int dataInFlight;
        int dataInFlightSince;
        int ended;
        long begunNanos;
    }

    CachingDevice(DeterministicRuntime runtime, boolean cache, boolean fua) {
        this.runtime = runtime;
        this.random = new SplittableRandom(runtime.seed());
        this.checker = new DurabilityChecker(cache, fua);
    }

    int inFlight() {
        return inFlight;
    }

    List<String> brokenC2() {
        return brokenC2;
    }

    /** The power fails: what it has not made stable is gone, and it ends nothing well any more. */
    void powerCut() {
        gone = true;
        checker.powerCut();
    }

    private Flushes of(HardwareContext hctx) {
        return flushes.computeIfAbsent(hctx, _ -> new Flushes());
    }

    @Override
    public void initFlushRq(TagSet set, RequestQueue queue, Request flushRq, Request source) throws Exception {
        Flushes seen = of(flushRq.hardwareContext());
        int earliest = Math.max(seen.ended, dataEnds.getOrDefault(source, 0));
        long now = runtime.nanoTime();
        if (seen.dataInFlight > 0 && seen.dataInFlightSince < earliest
                && now - seen.begunNanos < SURELY_NOT_OVERDUE_NANOS) {
            brokenC2.add("a flush began while " + seen.dataInFlight + " requests were in their DATA step");
        }
        seen.begunNanos = now;
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        runtime.switchPoint();
        if (gone) {
            return Status.IOERR;
        }
        switch (random.nextInt(24)) {
            case 0 -> {
                return Status.RESOURCE;
            }
            case 1 -> {
                return Status.DEV_RESOURCE;
            }
            case 2 -> {
                return Status.MEDIUM;
            }
            default -> take(hctx, rq);
        }
        runtime.switchPoint();
        return Status.OK;
    }

    private void take(HardwareContext hctx, Request rq) {
        inFlight++;
        events++;
        if (rq.operation() == Operation.FLUSH) {
            begun.put(rq, checker.flushBegins());
        } else {
            eachBio(rq, bio -> checker.received(bio.sector(), bio.bytes() / QueueLimits.SECTOR_BYTES, isFua(rq)));
            if (Inside.of(rq).flush != FlushSequence.NONE) {
                Flushes seen = of(hctx);
                seen.dataInFlightSince = seen.dataInFlight++ == 0 ? events : seen.dataInFlightSince;
            }
        }
        long generation = rq.generation();
        switch (random.nextInt(16)) {
            case 0 -> {
                RequestQueue queue = rq.queue();
                leaves(rq);
                rq.requeue(random.nextBoolean());
                queue.delayKickRequeueList(random.nextInt(10_000));
            }
            case 1, 2 -> finish(rq, generation);
            case 3 -> {
                // Lost: its time-out finds it.
            }
            default -> runtime.schedule(random.nextInt(5_000), () -> finish(rq, generation));
        }
    }

    /** Writes that were merged are several to the checker. */
    private static void eachBio(Request rq, Consumer<Bio> visitor) {
        for (Bio bio = Inside.of(rq).firstBio(); bio != null; bio = ((BioState) bio).next) {
            visitor.accept(bio);
        }
    }

    private static boolean isFua(Request rq) {
        return (rq.flags() & Bio.FUA) != 0;
    }

    private void finish(Request rq, long generation) {
        Status status = gone ? Status.NODEV : random.nextInt(12) == 0 ? Status.MEDIUM : Status.OK;
        if (status == Status.OK && rq.operation() != Operation.FLUSH) {
            eachBio(rq, bio -> checker.written(bio.sector(), bio.bytes() / QueueLimits.SECTOR_BYTES, isFua(rq)));
        } else if (status == Status.OK) {
            checker.flushed(begun.getOrDefault(rq, 0L));
        } else if (rq.operation() == Operation.FLUSH && !gone) {
            checker.flushFailed(begun.getOrDefault(rq, 0L));
        }
        runtime.switchPoint();
        leaves(rq);
        rq.complete(generation, status);
    }

    /** It is about to be the block layer's again. */
    private void leaves(Request rq) {
        inFlight--;
        events++;
        Flushes seen = of(rq.hardwareContext());
        if (rq.operation() == Operation.FLUSH) {
            seen.ended = events;
        } else if (Inside.of(rq).flush != FlushSequence.NONE) {
            seen.dataInFlight--;
            dataEnds.put(rq, events);
        }
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        runtime.switchPoint();
        leaves(rq);
        rq.complete(Status.TIMEOUT);
        runtime.switchPoint();
        return TimeoutAction.DONE;
    }
}
