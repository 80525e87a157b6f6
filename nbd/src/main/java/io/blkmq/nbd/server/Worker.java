package io.blkmq.nbd.server;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.nbd.socket.HandOver;
import io.blkmq.nbd.socket.Loop;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A thread with its connections, from socket to disk and back. In one turn it reads from all sockets that have something, hands what they
 * ask for to the disks as one batch each, looks for completions where nobody else does, and writes the replies of each connection
 * together.
 *
 * <p>A large request is submitted by another worker: what copies its data, the disk or the socket, does so beside this thread.
 *
 * <p>All belongs to its thread, but for the requests that have ended, or are lent: any thread hands them over, and the worker takes all
 * at once.
 */
final class Worker implements Loop.Turn {
    final Loop loop;
    final int index;
    private final IoRuntime runtime;
    private final Map<Export, Lane> lanes = new HashMap<>();
    private final List<Lane> laneList = new ArrayList<>();
    private final Set<Connection> connections = new HashSet<>();
    /** Connections that have something to read that no selector tells of. */
    private final ArrayDeque<Connection> unread = new ArrayDeque<>();
    /** Connections that have something to write. */
    private final ArrayDeque<Connection> unsent = new ArrayDeque<>();
    private final HandOver<ServedRequest> ended = new HandOver<>();
    /** Large requests of other workers' connections, to be submitted here. */
    private final HandOver<ServedRequest> lent = new HandOver<>();
    private final Consumer<ServedRequest> helping = this::help;
    /** When the last turn began. */
    private long now;

    Worker(int index, IoRuntime runtime) throws IOException {
        this.index = index;
        this.runtime = runtime;
        this.now = runtime.nanoTime();
        this.loop = new Loop("blkmq-nbd-" + index, this, runtime);
    }

    /** When the last turn began; a call of a disk may have taken long since. */
    long now() {
        return now;
    }

    /** Now. */
    long time() {
        return runtime.nanoTime();
    }

    void add(Connection connection) {
        connections.add(connection);
    }

    void remove(Connection connection) {
        connections.remove(connection);
    }

    /** This worker's connections, as they are now. */
    List<Connection> connections() {
        return List.copyOf(connections);
    }

    Lane lane(Export export) {
        Lane lane = lanes.get(export);
        if (lane == null) {
            lane = new Lane(export.disk(), index);
            lanes.put(export, lane);
            laneList.add(lane);
        }
        return lane;
    }

    /** Forgets an export that no connection uses. */
    void forget(Export export) {
        Lane lane = lanes.remove(export);
        if (lane != null) {
            laneList.remove(lane);
            lane.close();
        }
    }

    /** Makes durable what was written to a disk, through this worker's context. */
    void sync(Export export, CompletableFuture<Status> result) {
        try {
            Lane lane = lane(export);
            lane.submit(new Bio(0).reset(Operation.FLUSH, 0).onEnd(bio -> {
                lane.ended();
                result.complete(bio.status());
            }));
        } catch (RuntimeException | Error e) {
            result.completeExceptionally(e);
        }
    }

    /** A request's bio has ended. Any thread. */
    void ended(ServedRequest request) {
        // Only the first wakes: the worker takes all of them.
        if (ended.add(request) && !loop.isCurrent()) {
            loop.wake();
        }
    }

    /** Has a large request of another worker's connection submitted here. Any thread. */
    void lend(ServedRequest request) {
        if (lent.add(request)) {
            loop.wake();
        }
    }

    /** One after the other, so that each is told as soon as it is done: a disk may do all of it within the submission. */
    private void help(ServedRequest request) {
        Lane lane;
        try {
            lane = lane(request.connection.exportInUse());
            request.submit(lane);
        } catch (RuntimeException | Error e) {
            // Whatever it is, the client gets an answer.
            request.error = request.connection.refusal(request, e);
            request.status = Status.OK;
            request.connection.worker.ended(request);
            return;
        }
        lane.flush();
        lane.poll();
    }

    void readAgain(Connection connection) {
        unread.add(connection);
    }

    void sendSoon(Connection connection) {
        unsent.add(connection);
    }

    @Override
    public void turn() {
        now = runtime.nanoTime();
        for (int left = unread.size(); left > 0; left--) {
            unread.remove().readAgain();
        }
        flushLanes();
        boolean _ = lent.takeAll(helping);
        for (int i = 0; i < laneList.size(); i++) {
            laneList.get(i).poll();
        }
        if (ended.takeAll(ServedRequest::proceed)) {
            flushLanes();
        }
        for (int left = unsent.size(); left > 0; left--) {
            unsent.remove().send();
        }
    }

    private void flushLanes() {
        for (int i = 0; i < laneList.size(); i++) {
            laneList.get(i).flush();
        }
    }

    @Override
    public boolean isBusy() {
        if (!unread.isEmpty() || !unsent.isEmpty() || !ended.isEmpty() || !lent.isEmpty()) {
            return true;
        }
        for (int i = 0; i < laneList.size(); i++) {
            if (laneList.get(i).mustPoll()) {
                return true;
            }
        }
        return false;
    }

    @Override
    public void tick(long looked) {
        long time = runtime.nanoTime();
        for (Connection connection : connections()) {
            connection.tick(looked, time);
        }
    }
}
