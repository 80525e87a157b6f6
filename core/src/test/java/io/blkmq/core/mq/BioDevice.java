package io.blkmq.core.mq;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.mq.BioStep.Knob;
import io.blkmq.core.mq.BioStep.Setting;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.sim.DeterministicRuntime;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A device that keeps its data in an array and does what a device may do: it refuses, gives back, fails, ends in part, loses, takes
 * batches, and waits for the bell, as often as its set-up says. It tells a {@link BioLedger} of everything.
 */
final class BioDevice implements BlockDriver {
    private static final Status[] ERRORS = {Status.MEDIUM, Status.IOERR, Status.TARGET, Status.NOSPC, Status.TRANSPORT};
    private static final int SECTOR = QueueLimits.SECTOR_BYTES;

    private final DeterministicRuntime runtime;
    private final SplittableRandom random;
    private final BioLedger ledger;
    private final byte[] data;
    private final int refusals;
    private final int requeues;
    private final int errors;
    private final int parts;
    private final int losses;
    private final int atOnce;
    private final boolean waitsForTheBell;
    private final boolean takesBatches;
    /** What waits for the bell. */
    private final Map<HardwareContext, List<Use>> waiting = new HashMap<>();
    private final Set<Request> lost = new HashSet<>();
    private int inFlight;

    /** One use of a request. */
    private record Use(Request rq, long generation) {}

    BioDevice(DeterministicRuntime runtime, List<BioStep> steps, BioLedger ledger) {
        this.runtime = runtime;
        this.random = new SplittableRandom(runtime.seed());
        this.ledger = ledger;
        this.data = new byte[Setting.of(Knob.CAPACITY_SECTORS, steps) * SECTOR];
        this.refusals = Setting.of(Knob.REFUSALS, steps);
        this.requeues = Setting.of(Knob.REQUEUES, steps);
        this.errors = Setting.of(Knob.ERRORS, steps);
        this.parts = Setting.of(Knob.PARTS, steps);
        this.losses = Setting.of(Knob.LOSSES, steps);
        this.atOnce = Setting.of(Knob.AT_ONCE, steps);
        this.waitsForTheBell = Setting.of(Knob.WAITS_FOR_THE_BELL, steps) != 0;
        this.takesBatches = Setting.of(Knob.TAKES_BATCHES, steps) != 0;
    }

    byte[] data() {
        return data;
    }

    int inFlight() {
        return inFlight;
    }

    private boolean chance(int of256) {
        return random.nextInt(256) < of256;
    }

    private Status anError() {
        return ERRORS[random.nextInt(ERRORS.length)];
    }

    // ---- down

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        runtime.switchPoint();
        receive(rq);
        if (chance(refusals)) {
            ledger.givenBack(rq);
            return random.nextBoolean() ? Status.RESOURCE : Status.DEV_RESOURCE;
        }
        if (chance(errors / 2)) {
            Status status = anError();
            carryOut(rq, rq.bytes(), status);
            return status;
        }
        take(hctx, rq, last);
        runtime.switchPoint();
        return Status.OK;
    }

    /** What a driver throws would end the request, and nothing else would come of it. */
    private void receive(Request rq) {
        try {
            ledger.received(rq);
        } catch (RuntimeException e) {
            ledger.threw(rq, e);
        }
    }

    private void take(HardwareContext hctx, Request rq, boolean last) {
        inFlight++;
        if (waitsForTheBell) {
            waiting.computeIfAbsent(hctx, _ -> new ArrayList<>()).add(new Use(rq, rq.generation()));
            if (last) {
                commitRqs(hctx);
            }
        } else {
            begin(new Use(rq, rq.generation()));
        }
    }

    @Override
    public int queueRqs(HardwareContext hctx, RequestBatch batch) {
        if (!takesBatches) {
            return 0;
        }
        int taken = random.nextInt(batch.size() + 1);
        List<Use> uses = new ArrayList<>();
        for (int i = 0; i < taken; i++) {
            Request rq = batch.request(i);
            receive(rq);
            inFlight++;
            uses.add(new Use(rq, rq.generation()));
        }
        uses.forEach(this::begin);
        return taken;
    }

    @Override
    public void commitRqs(HardwareContext hctx) {
        List<Use> begun = waiting.remove(hctx);
        if (begun != null) {
            begun.forEach(this::begin);
        }
    }

    private void begin(Use use) {
        Request rq = use.rq;
        if (chance(requeues)) {
            RequestQueue queue = rq.queue();
            inFlight--;
            ledger.givenBack(rq);
            rq.requeue(random.nextBoolean());
            queue.delayKickRequeueList(random.nextInt(10_000));
        } else if (chance(losses)) {
            lost.add(rq);
        } else if (chance(atOnce)) {
            finish(use);
        } else {
            runtime.schedule(random.nextInt(5_000), () -> finish(use));
        }
    }

    // ---- up

    private void finish(Use use) {
        runtime.switchPoint();
        use.rq.complete(use.generation, chance(errors) ? anError() : Status.OK);
    }

    @Override
    public void complete(Request rq) {
        inFlight--;
        long blockBytes = rq.queue().limits().logicalBlockBytes();
        long blocks = rq.bytes() / blockBytes;
        if (rq.status() != Status.OK || Inside.of(rq).flush != FlushSequence.NONE || blocks < 2 || !chance(parts)) {
            carryOut(rq, rq.bytes(), rq.status());
            rq.end(rq.status());
            return;
        }
        long done = blockBytes * (1 + random.nextLong(blocks - 1));
        Status ofPart = chance(errors) ? anError() : Status.OK;
        carryOut(rq, done, ofPart);
        rq.update(ofPart, done);
        runtime.switchPoint();
        if (random.nextInt(4) > 0) {
            RequestQueue queue = rq.queue();
            ledger.givenBack(rq);
            rq.requeueCompleted(random.nextBoolean());
            queue.delayKickRequeueList(random.nextInt(10_000));
        } else {
            Status ofRest = random.nextBoolean() ? anError() : Status.OK;
            carryOut(rq, rq.bytes(), ofRest);
            rq.end(ofRest);
        }
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        if (!lost.remove(rq)) {
            ledger.neverBegan(rq);
            return TimeoutAction.RESET_TIMER;
        }
        rq.complete(Status.TIMEOUT);
        return TimeoutAction.DONE;
    }

    private void carryOut(Request rq, long bytes, Status status) {
        if (status == Status.OK && bytes > 0) {
            transfer(rq, bytes);
        }
        ledger.carriedOut(rq, bytes, status);
    }

    private void transfer(Request rq, long bytes) {
        int from = (int) rq.sector() * SECTOR;
        int to = from + (int) bytes;
        if (!rq.operation().hasData()) {
            Arrays.fill(data, from, to, (byte) 0);
            return;
        }
        int[] at = {from};
        MemorySegment array = MemorySegment.ofArray(data);
        rq.forEachSegment((memory, offset, length) -> {
            int some = Math.min(length, to - at[0]);
            if (some > 0 && rq.operation() == Operation.WRITE) {
                MemorySegment.copy(memory, offset, array, at[0], some);
            } else if (some > 0) {
                MemorySegment.copy(array, at[0], memory, offset, some);
            }
            at[0] += length;
        });
        if (rq.operation() == Operation.WRITE) {
            ledger.written(rq, data, from, to);
        }
    }
}
