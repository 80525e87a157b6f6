package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;

/**
 * A small queue around an elevator: makes requests, inserts, dispatches and finishes them, and keeps the time. For one thread.
 * A request that is given out twice, or that was not inserted, fails the test.
 */
public final class ElevatorBench implements ElevatorQueue, AutoCloseable {
    private static final int DEPTH = 1024;

    private final TagSet set = new RecordingDriver().depth(DEPTH).tagSet();
    private final Deque<Request> free = new ArrayDeque<>(List.of(Inside.of(set).parts().tags(0).requests));
    private final List<Request> waiting = new ArrayList<>();
    private final List<Integer> runs = new ArrayList<>();
    private final int hardwareContexts;
    private final Elevator elevator;
    private long nowNanos = -1_000_000_000L;

    /**
     * Makes an elevator.
     *
     * @param name its kind
     * @param hardwareContexts how many it serves
     */
    public ElevatorBench(String name, int hardwareContexts) {
        this.hardwareContexts = hardwareContexts;
        this.elevator = Objects.requireNonNull(Elevators.named(name)).create(this);
    }

    /**
     * The elevator.
     *
     * @return always the same
     */
    public Elevator elevator() {
        return elevator;
    }

    /**
     * Sets an attribute.
     *
     * @param name which
     * @param value as text
     * @return this
     */
    public ElevatorBench set(String name, String value) {
        Objects.requireNonNull(elevator.attributes().get(name)).set(value);
        return this;
    }

    /**
     * Reads an attribute.
     *
     * @param name which
     * @return its value as text
     */
    public String get(String name) {
        return Objects.requireNonNull(elevator.attributes().get(name)).get();
    }

    /**
     * Lets time pass.
     *
     * @param millis how much
     */
    public void sleep(long millis) {
        nowNanos += millis * 1_000_000;
    }

    /**
     * Makes a bio.
     *
     * @param operation what
     * @param sector where
     * @param sectors how long
     * @param priority how urgent
     * @return a new one
     */
    public static Bio bio(Operation operation, long sector, int sectors, IoPriority priority) {
        return new Bio(0).reset(operation, sector).length(sectors * 512L).priority(priority);
    }

    /**
     * Inserts a request of 8 sectors at the end.
     *
     * @param operation what
     * @param sector where
     * @return the request
     */
    public Request insert(Operation operation, long sector) {
        return insert(0, operation, sector, IoPriority.NONE);
    }

    /**
     * Inserts a request of 8 sectors at the end.
     *
     * @param hctx through which context
     * @param operation what
     * @param sector where
     * @param priority how urgent
     * @return the request
     */
    public Request insert(int hctx, Operation operation, long sector, IoPriority priority) {
        Request rq = free.removeFirst();
        Inside.of(rq).init(bio(operation, sector, 8, priority));
        insert(hctx, rq, false);
        return rq;
    }

    private void insert(int hctx, Request rq, boolean atHead) {
        elevator.lock(hctx).lock();
        try {
            elevator.insert(hctx, rq, atHead, nowNanos);
        } finally {
            elevator.lock(hctx).unlock();
        }
        waiting.add(rq);
    }

    /**
     * Has the driver give a request back.
     *
     * @param rq was dispatched
     */
    public void requeue(Request rq) {
        elevator.requeued(rq);
        insert(0, rq, true);
    }

    /**
     * Dispatches one request.
     *
     * @param hctx through which context
     * @return null if none is to go now
     */
    @SuppressWarnings("NullAway") // null is an answer that tests look for
    public Request dispatch(int hctx) {
        Request rq;
        elevator.lock(hctx).lock();
        try {
            rq = elevator.dispatch(hctx, nowNanos);
        } finally {
            elevator.lock(hctx).unlock();
        }
        if (rq != null && !waiting.remove(rq)) {
            throw new AssertionError(rq + " was given out, but does not wait");
        }
        return rq;
    }

    /**
     * Dispatches requests.
     *
     * @param most at most so many
     * @return them
     */
    public List<Request> dispatchUpTo(int most) {
        List<Request> all = new ArrayList<>();
        for (Request rq = most == 0 ? null : dispatch(0); rq != null; rq = all.size() == most ? null : dispatch(0)) {
            all.add(rq);
        }
        return all;
    }

    /**
     * Dispatches all, finishing each at once.
     *
     * @return what they are, in order
     */
    public List<String> drain() {
        List<String> all = new ArrayList<>();
        for (Request rq = dispatch(0); rq != null; rq = dispatch(0)) {
            all.add(describe(rq));
            finish(rq);
        }
        return all;
    }

    /**
     * Describes a request.
     *
     * @param rq any
     * @return operation's first letter, and sector
     */
    public static String describe(Request rq) {
        return rq.operation().name().charAt(0) + " " + rq.sector();
    }

    /**
     * Completes a request and frees it.
     *
     * @param rq was dispatched
     */
    public void finish(Request rq) {
        elevator.completed(rq, nowNanos);
        free(rq);
    }

    private void free(Request rq) {
        elevator.finished(rq);
        Inside.of(rq).finishBios();
        free.addLast(rq);
    }

    /**
     * Merges two requests that wait.
     *
     * @param kept the earlier one
     * @param gone the one after it
     */
    public void absorb(Request kept, Request gone) {
        elevator.absorbed(0, kept, gone);
        waiting.remove(gone);
        free(gone);
    }

    /**
     * Which contexts were to be run.
     *
     * @return since this was asked last
     */
    public List<Integer> runs() {
        List<Integer> copy = List.copyOf(runs);
        runs.clear();
        return copy;
    }

    /**
     * What the elevator holds.
     *
     * @return how many
     */
    public int waiting() {
        return waiting.size();
    }

    @Override
    public String name() {
        return "bench";
    }

    @Override
    public IoRuntime runtime() {
        return IoRuntime.system();
    }

    @Override
    public int hardwareContexts() {
        return hardwareContexts;
    }

    @Override
    public int depth() {
        return 200;
    }

    @Override
    public void run(int hctx) {
        runs.add(hctx);
    }

    @Override
    public void close() {
        set.close();
    }
}
