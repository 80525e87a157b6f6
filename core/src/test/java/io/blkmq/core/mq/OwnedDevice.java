package io.blkmq.core.mq;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/**
 * A device whose polled hardware contexts belong to one thread each, the first that gives them a request, as rings do. It notes every
 * other thread that calls for such a context. What it is given ends when its owner polls. Thread-safe.
 */
final class OwnedDevice implements BlockDriver {
    private final IoRuntime runtime;
    private final Map<Integer, Thread> owners = new ConcurrentHashMap<>();
    private final Map<Integer, Queue<Request>> taken = new ConcurrentHashMap<>();
    private final List<String> strangers = new ArrayList<>();
    /** What is not polled ends so much later. */
    private final long completionNanos;
    /** How many times it has been polled, and how many requests it will refuse and give back. */
    final AtomicInteger polls = new AtomicInteger();
    final AtomicInteger refusals = new AtomicInteger();
    final AtomicInteger requeues = new AtomicInteger();

    OwnedDevice(IoRuntime runtime, long completionNanos) {
        this.runtime = runtime;
        this.completionNanos = completionNanos;
    }

    Disk disk(UnaryOperator<TagSet.Builder> more) throws IOException {
        TagSet set = more.apply(TagSet.builder(this).runtime(runtime)).build();
        return Disk.of(queue(set, "q"), set);
    }

    static RequestQueue queue(TagSet set, String name) throws IOException {
        return set.newQueue(name, QueueLimits.builder().anyMemory(true).build(), 2048, null);
    }

    /** Threads that called for a context that is another's, and for what. */
    synchronized List<String> strangers() {
        return List.copyOf(strangers);
    }

    private synchronized void called(HardwareContext hctx, String what) {
        Thread thread = Thread.currentThread();
        if (!thread.equals(owners.getOrDefault(hctx.index(), thread))) {
            strangers.add(thread.getName() + " " + what);
        }
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        if (!hctx.isPolled()) {
            long generation = rq.generation();
            var _ = runtime.schedule(completionNanos, () -> rq.complete(generation, Status.OK));
            return Status.OK;
        }
        owners.putIfAbsent(hctx.index(), Thread.currentThread());
        called(hctx, "queueRq");
        if (refusals.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return Status.RESOURCE;
        }
        if (requeues.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            rq.requeue(false);
            return Status.OK;
        }
        taken.computeIfAbsent(hctx.index(), _ -> new ConcurrentLinkedQueue<>()).add(rq);
        return Status.OK;
    }

    @Override
    public void commitRqs(HardwareContext hctx) {
        called(hctx, "commitRqs");
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        called(hctx, "poll");
        polls.incrementAndGet();
        Queue<Request> own = taken.getOrDefault(hctx.index(), new ConcurrentLinkedQueue<>());
        int found = 0;
        for (Request rq = own.poll(); rq != null; rq = own.poll()) {
            rq.complete(Status.OK);
            found++;
        }
        return found;
    }

    @Override
    public boolean mayPoll(HardwareContext hctx) {
        Thread thread = Thread.currentThread();
        return thread.equals(owners.getOrDefault(hctx.index(), thread));
    }

    @Override
    public boolean claim(HardwareContext hctx) {
        owners.putIfAbsent(hctx.index(), Thread.currentThread());
        return mayPoll(hctx);
    }
}
