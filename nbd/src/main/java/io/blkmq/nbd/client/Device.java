package io.blkmq.nbd.client;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.nbd.socket.Loop;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.nbd.wire.RequestHeader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * The driver of one device: its links, and what they have promised together. The counterpart is {@code drivers/block/nbd.c}.
 *
 * <p><b>Flushes and broken connections.</b> A server that goes may take with it what it has acknowledged and not flushed. Each
 * acknowledged write has a number, and a flush that succeeds covers all that were acknowledged before it was sent. When a connection
 * breaks, nobody knows whether the server behind it is still the one that the other connections have: so all are left, and what they
 * have not told yet is not listened to any more. If there is an acknowledged write then that no flush has covered, it may be lost: the
 * flushes that the driver has fail, or the next one does if it has none. So the first flush that should have covered the write fails. A
 * flush that came to the queue behind that one, and waits there for its end, is sent afterwards, and may succeed: of each loss one flush
 * tells.
 *
 * <p><b>All links begin together.</b> No link sends anything before each of them is connected again, or given up ({@link #settled}), as
 * at the beginning. Otherwise a link could be told of a write by one server, which ends, and another link, which connects later, could be
 * told of a flush by the next server before the first link has seen the end of its connection. Since all connections are there before the
 * first request, who acknowledges one was alive when the last connection was made; a server that came after that has none of them.
 */
public final class Device implements BlockDriver, Loop.Turn, AutoCloseable {
    private final String name;
    private final Target target;
    private final Offer offer;
    private final Loop loop;
    private final List<Link> links = new ArrayList<>();
    /** Of the loop's thread: the last number given to an acknowledged write, the last that a flush has covered. */
    private long acknowledged;
    private long flushed;
    /** Of the loop's thread: whether a write may be lost that no flush has failed for. */
    private boolean lost;

    private Device(String name, Target target, Offer offer) throws IOException {
        this.name = name;
        this.target = target;
        this.offer = offer;
        this.loop = new Loop("blkmq-nbd-client-" + name, this, target.runtime());
    }

    /**
     * Connects.
     *
     * @param name for people
     * @param target where to
     * @param connections how many, if the server has several for one device
     * @param depth requests of each connection at a time
     * @return connected
     * @throws IOException if it cannot
     */
    public static Device connect(String name, Target target, int connections, int depth) throws IOException {
        List<Greeting.Established> established = new ArrayList<>();
        Device device = null;
        boolean connected = false;
        try {
            established.add(await(Greeting.begin(target)));
            Offer offer = established.getFirst().offer();
            device = new Device(name, target, offer);
            int more = offer.isMultiConn() ? connections : 1;
            for (int i = 1; i < more; i++) {
                Greeting.Established next = await(Greeting.begin(target));
                established.add(next);
                String other = device.difference(next.offer());
                if (other != null) {
                    throw new IOException("the server offers something else to the next connection: " + other);
                }
            }
            for (Greeting.Established each : established) {
                Link link = new Link(device, depth);
                link.use(each);
                device.links.add(link);
            }
            device.settled();
            device.loop.start();
            connected = true;
            return device;
        } finally {
            if (!connected) {
                for (Greeting.Established each : established) {
                    each.channel().close();
                }
                if (device != null) {
                    device.loop.stop();
                }
            }
        }
    }

    private static Greeting.Established await(CompletableFuture<Greeting.Established> greeting) throws IOException {
        try {
            return greeting.join();
        } catch (CompletionException e) {
            Throwable cause = Objects.requireNonNull(e.getCause());
            throw new IOException(Objects.requireNonNullElse(cause.getMessage(), cause.toString()), cause);
        }
    }

    /**
     * What the server has told.
     *
     * @return at the first connection
     */
    public Offer offer() {
        return offer;
    }

    /**
     * How many connections it has.
     *
     * @return at least 1
     */
    public int connections() {
        return links.size();
    }

    @Override
    public DeviceDescription describe(RequestQueue queue) {
        return new DeviceDescription("nbd", target.shown() + (target.export().isEmpty() ? "" : "/" + target.export()),
                connections() + (connections() == 1 ? " connection" : " connections"), "");
    }

    String name() {
        return name;
    }

    Target target() {
        return target;
    }

    Loop loop() {
        return loop;
    }

    /** What is not as it was; null if nothing. */
    @Nullable
    String difference(Offer other) {
        if (other.sizeBytes() != offer.sizeBytes()) {
            return other.sizeBytes() + " bytes instead of " + offer.sizeBytes();
        }
        if (other.blockBytes() > offer.blockBytes() || other.requestBytes() < offer.requestBytes()) {
            return "blocks of " + other.blockBytes() + " to " + other.requestBytes() + " bytes";
        }
        if (offer.style() == ReplyStyle.EXTENDED && other.style() != ReplyStyle.EXTENDED) {
            // A discard may be longer than other headers can say.
            return "without extended headers";
        }
        if (!offer.has(Nbd.FLAG_SEND_FLUSH) && other.has(Nbd.FLAG_SEND_FLUSH)) {
            // The disk has no cache, and nobody flushes it.
            return "with a cache that has to be flushed";
        }
        int needed = Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_FUA | Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES
                | (links.size() > 1 ? Nbd.FLAG_CAN_MULTI_CONN : 0);
        int missing = offer.flags() & ~other.flags() & needed;
        return missing == 0 ? null : "without the features 0x" + Integer.toHexString(missing);
    }

    // ---- what links promise together

    long acknowledged() {
        return acknowledged;
    }

    long acknowledge() {
        return ++acknowledged;
    }

    void flushed(long covers) {
        flushed = Math.max(flushed, covers);
    }

    /** A link has left its broken connection: all others leave theirs. */
    void broke() {
        links.forEach(Link::leave);
        if (acknowledged > flushed) {
            // It is told once: by the flushes that fail now, or by the next.
            lost = true;
            flushed = acknowledged;
            links.forEach(Link::failFlushes);
        }
    }

    /** A link is connected again, or has been given up: once there is no other one to wait for, all go on. */
    void settled() {
        if (links.stream().allMatch(Link::isSettled)) {
            links.forEach(Link::goOn);
        }
    }

    /** Whether the next flush has to fail. */
    boolean isLost() {
        return lost;
    }

    /** A flush fails for it. */
    void tellLoss() {
        lost = false;
    }

    // ---- driver

    @Override
    public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) {
        hctx.setDriverData(links.get(index));
    }

    @Override
    public void initRequest(TagSet set, Request rq, int hctxIndex) {
        rq.setDriverData(new ClientRequest(rq));
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        ClientRequest request = of(rq);
        request.prepare();
        describe(request.header, rq);
        boolean fua = (rq.flags() & Bio.FUA) != 0;
        request.dirties = rq.operation().isWrite() && rq.operation() != Operation.FLUSH && !fua;
        linkOf(hctx).give(request);
        if (last) {
            loop.wake();
        }
        return Status.OK;
    }

    private static void describe(RequestHeader header, Request rq) {
        header.command = switch (rq.operation()) {
            case READ -> Nbd.CMD_READ;
            case WRITE -> Nbd.CMD_WRITE;
            case FLUSH -> Nbd.CMD_FLUSH;
            case DISCARD -> Nbd.CMD_TRIM;
            case WRITE_ZEROES -> Nbd.CMD_WRITE_ZEROES;
        };
        header.flags = (rq.flags() & Bio.FUA) != 0 ? Nbd.CMD_FLAG_FUA : 0;
        if (rq.operation() == Operation.WRITE_ZEROES && (rq.flags() & Bio.NOUNMAP) != 0) {
            header.flags |= Nbd.CMD_FLAG_NO_HOLE;
        }
        boolean flush = rq.operation() == Operation.FLUSH;
        header.offset = flush ? 0 : rq.sector() * QueueLimits.SECTOR_BYTES;
        header.length = flush ? 0 : rq.bytes();
    }

    @Override
    public void commitRqs(HardwareContext hctx) {
        loop.wake();
    }

    @Override
    public TimeoutAction timeout(Request rq) {
        ClientRequest request = of(rq);
        long generation = rq.generation();
        Link link = linkOf(rq.hardwareContext());
        boolean _ = loop.execute(() -> link.timedOut(request, generation));
        return TimeoutAction.RESET_TIMER;
    }

    private static ClientRequest of(Request rq) {
        return (ClientRequest) Objects.requireNonNull(rq.driverData());
    }

    private static Link linkOf(HardwareContext hctx) {
        return (Link) Objects.requireNonNull(hctx.driverData());
    }

    // ---- loop

    @Override
    public void turn() {
        long now = target.runtime().nanoTime();
        for (int i = 0; i < links.size(); i++) {
            links.get(i).turn(now);
        }
    }

    @Override
    public boolean isBusy() {
        for (int i = 0; i < links.size(); i++) {
            if (links.get(i).isGivenSomething()) {
                return true;
            }
        }
        return false;
    }

    @Override
    public void tick(long looked) {
        // Links look at their time in each turn, and there is a turn at each tick.
    }

    @Override
    public void close() {
        boolean _ = loop.execute(() -> links.forEach(Link::close));
        loop.stop();
    }
}
