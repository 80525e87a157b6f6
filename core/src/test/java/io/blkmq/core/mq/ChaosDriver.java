package io.blkmq.core.mq;

import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import java.io.IOException;
import java.util.Map;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A driver that does whatever its contract allows, by chance: refuses, gives back, fails, completes at once, later, out of order, in
 * part, or never, and then by a time-out; and completes late what has ended before. It notes what the block layer must not do.
 */
final class ChaosDriver implements BlockDriver {
    /** A request as the device knows it. */
    private record Issued(Request rq, long generation) {}

    private final long seed;
    private final AtomicLong decisions = new AtomicLong();
    private final Queue<Issued> issued = new ConcurrentLinkedQueue<>();
    /** What the driver has, by request. */
    private final Map<Request, Boolean> inDriver = new ConcurrentHashMap<>();
    private final Queue<String> violations = new ConcurrentLinkedQueue<>();
    private final AtomicInteger contexts = new AtomicInteger();
    private final AtomicInteger requests = new AtomicInteger();
    private volatile boolean calm = true;

    ChaosDriver(long seed) {
        this.seed = seed;
    }

    /** From now on everything goes well, or no more. */
    void setCalm(boolean value) {
        calm = value;
    }

    Queue<String> violations() {
        return violations;
    }

    int contexts() {
        return contexts.get();
    }

    int requests() {
        return requests.get();
    }

    private boolean oneIn(int n) {
        return below(n) == 0;
    }

    private int below(int n) {
        return new SplittableRandom(seed + decisions.getAndIncrement()).nextInt(n);
    }

    private void takes(Request rq) {
        if (inDriver.putIfAbsent(rq, true) != null) {
            violations.add("given twice: " + rq);
        }
    }

    private void leaves(Request rq) {
        if (inDriver.remove(rq) == null) {
            violations.add("was not in the driver: " + rq);
        }
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        int what = calm ? 99 : below(100);
        if (what < 3) {
            return what == 0 ? Status.DEV_RESOURCE : Status.RESOURCE;
        } else if (what < 4) {
            return Status.MEDIUM;
        }
        takes(rq);
        if (what < 7) {
            leaves(rq);
            rq.requeue(what < 6);
            if (what == 6) {
                hctx.queue().delayKickRequeueList(1_000_000);
            }
        } else if (what < 30) {
            rq.complete(Status.OK);
        } else if (what > 30) {
            // Or it is lost, until its time is over.
            issued.add(new Issued(rq, rq.generation()));
        }
        return Status.OK;
    }

    @Override
    public int queueRqs(HardwareContext hctx, RequestBatch batch) {
        int taken = calm ? batch.size() : below(batch.size() + 1);
        for (int i = 0; i < taken; i++) {
            Request rq = batch.request(i);
            takes(rq);
            issued.add(new Issued(rq, rq.generation()));
        }
        return taken;
    }

    /** The device: completes some of what it has. Any thread. Returns how many. */
    int serve(int most) {
        int served = 0;
        for (; served < most; served++) {
            Issued next = issued.poll();
            if (next == null) {
                break;
            }
            if (!calm && oneIn(4)) {
                // Another comes first.
                issued.add(next);
                continue;
            }
            next.rq.complete(next.generation, Status.OK);
        }
        return served;
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        return serve(4);
    }

    @Override
    public void complete(Request rq) {
        int what = calm ? 99 : below(100);
        leaves(rq);
        if (what < 2) {
            rq.requeueCompleted(true);
        } else if (what < 8 && rq.status() == Status.OK && rq.bytes() > 512
                && Inside.of(rq).flush == FlushSequence.NONE) {
            boolean more = rq.update(Status.OK, 512);
            assert more;
            rq.requeueCompleted(true);
        } else {
            rq.end(rq.status());
        }
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        int what = calm ? 0 : below(3);
        if (what == 0) {
            // The device may complete it all the same, later: that is for nobody then.
            rq.complete(rq.generation(), Status.TIMEOUT);
            return TimeoutAction.DONE;
        }
        if (what == 1) {
            long generation = rq.generation();
            issued.add(new Issued(rq, generation));
        }
        return TimeoutAction.RESET_TIMER;
    }

    @Override
    public int getBudget(RequestQueue queue) {
        if (!calm && oneIn(100)) {
            return -1;
        }
        return 0;
    }

    @Override
    public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) throws IOException {
        if (!calm && oneIn(10)) {
            throw new IOException("by chance");
        }
        contexts.incrementAndGet();
    }

    @Override
    public void exitHctx(HardwareContext hctx, int index) {
        contexts.decrementAndGet();
    }

    @Override
    public void initRequest(TagSet set, Request rq, int hctxIndex) throws IOException {
        if (!calm && oneIn(100)) {
            throw new IOException("by chance");
        }
        requests.incrementAndGet();
    }

    @Override
    public void exitRequest(TagSet set, Request rq, int hctxIndex) {
        requests.decrementAndGet();
    }
}
