package io.blkmq.core.mq;

import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.jfr.DiskEvents;
import org.jspecify.annotations.Nullable;

/**
 * The calls of a driver for one hardware context, each with a guard: a driver that throws, answers null, takes fewer requests than it
 * completes, or refuses what it has completed ends its requests with an error and costs nothing else. Submitters and threads that serve the
 * dispatch list call from within the block layer, an agent ({@link DispatchAgent}) from outside.
 */
final class DriverCalls {
    /** The outcome for a request that was offered to the driver. */
    enum Issue {
        TAKEN, ENDED, REFUSED
    }

    private final HardwareContext hctx;
    private final QueueSettings queue;
    private final BlockDriver driver;
    /** Whether the driver has a way to take a batch whole. One that has none is not asked. */
    private final boolean takesWhole;

    DriverCalls(HardwareContext hctx, QueueSettings queue) {
        this.hctx = hctx;
        this.queue = queue;
        this.driver = queue.tagSet().driver();
        this.takesWhole = takesWhole(driver);
    }

    private static boolean takesWhole(BlockDriver driver) {
        return isOwn(driver, "queueRqs", HardwareContext.class, RequestBatch.class);
    }

    /** Whether a driver does anything in its half of a completion. */
    static boolean hasOwnComplete(BlockDriver driver) {
        return isOwn(driver, "complete", Request.class);
    }

    /** Whether a method is the driver's own, and not the one that does nothing. */
    private static boolean isOwn(BlockDriver driver, String method, Class<?>... parameters) {
        try {
            return driver.getClass().getMethod(method, parameters).getDeclaringClass() != BlockDriver.class;
        } catch (NoSuchMethodException e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Gives one request to the driver. If the driver refuses, the request is idle again, and the caller's.
     *
     * @param batch the calling thread's; null on an agent, which is outside of the block layer
     */
    Issue issue(TagRequest rq, boolean last, @Nullable Trampoline batch) {
        int budget = budget();
        if (budget < 0) {
            return Issue.REFUSED;
        }
        rq.issued(
                batch != null ? queue.nowIfCounted(batch) : queue.isTimed() ? queue.tagSet().runtime().nanoTime() : 0);
        long use = rq.start();
        Status status;
        if (batch != null) {
            batch.issueBegins();
        }
        try {
            status = driver.queueRq(hctx, rq, last);
        } catch (Throwable t) {
            // As it is by now: a driver that took the request before it threw may have ended it.
            CallbackFailures.report("queueRq of " + rq, t);
            status = Status.IOERR;
        } finally {
            if (batch != null) {
                batch.issueEnds();
            }
        }
        if (status == Status.OK) {
            return Issue.TAKEN;
        }
        return batch != null ? notTaken(rq, use, status, budget, batch) : notTakenByAgent(rq, use, status, budget);
    }

    private Issue notTakenByAgent(TagRequest rq, long use, @Nullable Status status, int budget) {
        Trampoline batch = Trampoline.enter();
        try {
            return notTaken(rq, use, status, budget, batch);
        } finally {
            batch.leave();
        }
    }

    /** Offers a batch whole. Returns how many from its beginning are the driver's; the others are idle again. */
    int issueWhole(IssueBatch requests, long sentNanos, Trampoline batch) {
        if (!takesWhole) {
            return 0;
        }
        int size = requests.size();
        requests.start(queue.tick(), sentNanos);
        int taken;
        batch.issueBegins();
        try {
            taken = driver.queueRqs(hctx, requests);
        } catch (Throwable t) {
            CallbackFailures.report("queueRqs of " + queue.name(), t);
            failThoseInFlight(requests, 0, batch);
            return size;
        } finally {
            batch.issueEnds();
        }
        if (taken < 0 || taken > size) {
            CallbackFailures.report("queueRqs of " + queue.name() + " took " + taken + " of " + size + " requests");
            failThoseInFlight(requests, 0, batch);
            return size;
        }
        return unstartFrom(requests, taken, batch) ? taken : size;
    }

    /** Takes back what the driver said that it did not take. Returns false if it has completed some of that: then all of that has ended. */
    private boolean unstartFrom(IssueBatch requests, int first, Trampoline batch) {
        for (int i = first; i < requests.size(); i++) {
            if (!requests.request(i).unstart(requests.use(i))) {
                CallbackFailures.report("queueRqs of " + queue.name() + " took fewer requests than it completed");
                for (int idle = first; idle < i; idle++) {
                    TagRequest rq = requests.request(idle);
                    rq.failUnissued(Status.IOERR);
                    batch.addLater(rq);
                }
                failThoseInFlight(requests, i, batch);
                return false;
            }
        }
        return true;
    }

    /** The driver broke its contract: nobody knows what it took, so what it has not completed fails. */
    private static void failThoseInFlight(IssueBatch requests, int first, Trampoline batch) {
        for (int i = first; i < requests.size(); i++) {
            TagRequest rq = requests.request(i);
            if (rq.fail(requests.use(i), Status.IOERR)) {
                batch.addLater(rq);
            }
        }
    }

    private Issue notTaken(TagRequest rq, long use, @Nullable Status status, int budget, Trampoline batch) {
        putBudget(budget);
        if (status == Status.RESOURCE || status == Status.DEV_RESOURCE) {
            if (rq.unstart(use)) {
                DiskEvents.requeued(rq, status.name());
                return Issue.REFUSED;
            }
        } else {
            if (status == null) {
                CallbackFailures.report("queueRq of " + rq + " returned null");
            }
            if (rq.fail(use, status == null ? Status.IOERR : status)) {
                // Later: it may be one of a batch that goes down.
                batch.addLater(rq);
                return Issue.ENDED;
            }
        }
        CallbackFailures.report("queueRq of " + queue.name() + " refused a request that it has completed");
        return Issue.ENDED;
    }

    private void putBudget(int budget) {
        try {
            driver.putBudget(queue, budget);
        } catch (Throwable t) {
            CallbackFailures.report("putBudget of " + queue.name(), t);
        }
    }

    private int budget() {
        try {
            return driver.getBudget(queue);
        } catch (Throwable t) {
            CallbackFailures.report("getBudget of " + queue.name(), t);
            return -1;
        }
    }

    /** Whether the calling thread, which polls the context or submits to it, may give the driver what waits there. */
    boolean claim() {
        try {
            return driver.claim(hctx);
        } catch (Throwable t) {
            CallbackFailures.report("claim of " + queue.name(), t);
            return false;
        }
    }

    void ringBell(Trampoline batch) {
        batch.issueBegins();
        try {
            commit();
        } finally {
            batch.issueEnds();
        }
    }

    void commit() {
        try {
            driver.commitRqs(hctx);
        } catch (Throwable t) {
            CallbackFailures.report("commitRqs of " + queue.name(), t);
        }
    }
}
