package io.blkmq.nbd.server;

import io.blkmq.runtime.log.FailureLog;
import java.lang.System.Logger.Level;
import io.blkmq.core.Status;
import io.blkmq.nbd.socket.Loop;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Predicate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;

/** Workers, listening sockets, and who is connected. Any thread. */
public final class Server {
    private static final System.Logger LOG = System.getLogger(Server.class.getName());
    private static final int BACKLOG = 128;
    private static final int SEND_BYTES = 1 << 20;
    /** How long nobody is accepted after that has failed, for want of descriptors for one. */
    private static final long ACCEPT_PAUSE_NANOS = 200_000_000L;
    /** The bits of a file's mode that tell what it is, and those of a socket. */
    private static final int MODE_TYPE = 0xf000;
    private static final int MODE_SOCKET = 0xc000;

    private final Limits limits;
    private final @Nullable SSLContext tls;
    private final boolean clientCertificates;
    private final List<Worker> workers = new ArrayList<>();
    private final List<Listener> listeners = new ArrayList<>();
    private final Exports exports = new Exports();
    private final Counters counters = new Counters();
    private final MemoryBudget budget;
    /** Guarded by itself; notified when it becomes smaller. */
    private final Set<Connection> connections = new HashSet<>();
    /** Guarded by {@link #connections}. */
    private int turn;
    private volatile boolean closing;

    /** A socket that listens, and the file that it has made. */
    private record Listener(ServerSocketChannel channel, SocketAddress address, @Nullable Object fileKey) {}

    /**
     * Makes one that listens to nobody.
     *
     * @param limits what clients may use
     * @param threads how many workers
     * @param runtime whose clock tells whether a client takes too long
     * @param tls null for none; otherwise nothing goes without
     * @param clientCertificates whether clients must show one
     * @throws IOException if the system has no selectors left
     */
    public Server(Limits limits, int threads, IoRuntime runtime, @Nullable SSLContext tls, boolean clientCertificates)
            throws IOException {
        this.limits = limits;
        this.tls = tls;
        this.clientCertificates = clientCertificates;
        this.budget = new MemoryBudget(limits.totalBytes(), this::memoryIsBack);
        boolean complete = false;
        try {
            for (int i = 0; i < threads; i++) {
                workers.add(new Worker(i, runtime));
            }
            complete = true;
        } finally {
            if (!complete) {
                workers.forEach(worker -> worker.loop.stop());
            }
        }
        workers.forEach(worker -> worker.loop.start());
    }

    // ---- listening

    /**
     * Listens at an address.
     *
     * @param address of a TCP or Unix socket; what a server that is gone has left there is removed
     * @throws IOException if it cannot
     */
    public void listen(SocketAddress address) throws IOException {
        if (address instanceof InetSocketAddress inet && inet.isUnresolved()) {
            throw new IOException(address + ": the host " + inet.getHostString() + " is not known");
        }
        ServerSocketChannel channel;
        if (address instanceof UnixDomainSocketAddress unix) {
            removeStale(unix);
            channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        } else {
            channel = ServerSocketChannel.open();
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
        }
        try {
            channel.bind(address, BACKLOG);
            channel.configureBlocking(false);
            SocketAddress bound = channel.getLocalAddress();
            listeners.add(new Listener(channel, bound, fileKey(bound)));
            Worker first = workers.getFirst();
            Acceptor acceptor = new Acceptor(channel, first.loop);
            CompletableFuture<@Nullable Void> registered = new CompletableFuture<>();
            boolean accepted = first.loop.execute(() -> {
                try {
                    acceptor.key = first.loop.register(channel, SelectionKey.OP_ACCEPT, acceptor);
                    registered.complete(null);
                } catch (IOException | RuntimeException | Error e) {
                    registered.completeExceptionally(e);
                }
            });
            if (!accepted) {
                throw new IOException("the server is closed");
            }
            registered.join();
        } catch (IOException e) {
            channel.close();
            throw new IOException(address + ": " + e.getMessage(), e);
        } catch (CompletionException e) {
            channel.close();
            throw new IOException(address + ": " + e.getCause(), e.getCause());
        } catch (RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    /** What tells a socket's file from another that has its name later; null if there is none. */
    private static @Nullable Object fileKey(SocketAddress address) throws IOException {
        return address instanceof UnixDomainSocketAddress unix
                ? Files.readAttributes(unix.getPath(), BasicFileAttributes.class).fileKey()
                : null;
    }

    /** A socket that nobody listens at is a leftover. */
    private static void removeStale(UnixDomainSocketAddress address) throws IOException {
        if (!Files.exists(address.getPath())) {
            return;
        }
        if (((int) Files.getAttribute(address.getPath(), "unix:mode") & MODE_TYPE) != MODE_SOCKET) {
            throw new IOException(address + " is there, and is no socket");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // One that listens and does not accept would make it wait.
            probe.configureBlocking(false);
            boolean _ = probe.connect(address);
        } catch (ConnectException e) {
            // Only this says that nobody listens: a process without descriptors, or without the right, would not get that far.
            Files.deleteIfExists(address.getPath());
            return;
        } catch (IOException e) {
            throw new IOException(address + " is there, and cannot be tried: " + e.getMessage(), e);
        }
        throw new IOException(address + ": another server listens there");
    }

    /** Accepts clients, and hands them out to the workers in turn. For the first worker's thread. */
    private final class Acceptor implements Loop.Handler {
        private final ServerSocketChannel channel;
        private final Loop loop;
        private @Nullable SelectionKey key;

        Acceptor(ServerSocketChannel channel, Loop loop) {
            this.channel = channel;
            this.loop = loop;
        }

        @Override
        public void ready(int ready) {
            try {
                for (SocketChannel accepted = channel.accept(); accepted != null; accepted = channel.accept()) {
                    Server.this.accepted(accepted);
                }
            } catch (IOException e) {
                if (channel.isOpen()) {
                    FailureLog.log(LOG, Level.WARNING, () -> "no client can be accepted for a moment", e);
                    pause();
                }
            }
        }

        private void pause() {
            SelectionKey own = key;
            if (own != null && own.isValid()) {
                own.interestOps(0);
                Thread.ofVirtual().start(() -> {
                    LockSupport.parkNanos(ACCEPT_PAUSE_NANOS);
                    boolean _ = loop.execute(() -> {
                        if (own.isValid()) {
                            own.interestOps(SelectionKey.OP_ACCEPT);
                        }
                    });
                });
            }
        }
    }

    private void accepted(SocketChannel channel) {
        counters.accepted.increment();
        try {
            channel.configureBlocking(false);
            if (channel.getLocalAddress() instanceof UnixDomainSocketAddress) {
                // A large reply goes out in few turns, and is still in the processor's caches when the client takes it. A TCP socket
                // finds its size by itself.
                channel.setOption(StandardSocketOptions.SO_SNDBUF, SEND_BYTES);
            } else {
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            }
        } catch (IOException e) {
            FailureLog.log(LOG, Level.DEBUG, () -> "a client is gone already", e);
            closeQuietly(channel);
            return;
        }
        Worker worker;
        synchronized (connections) {
            if (closing || places >= limits.connections()) {
                counters.refused.increment();
                closeQuietly(channel);
                return;
            }
            places++;
            worker = workers.get(turn++ % workers.size());
        }
        // Its place keeps the loop from being stopped.
        boolean _ = worker.loop.execute(() -> open(worker, channel));
    }

    /** Connections, and clients that are about to become some. Guarded by {@link #connections}. */
    private int places;

    private void open(Worker worker, SocketChannel channel) {
        Connection connection;
        try {
            connection = Connection.open(this, worker, channel);
        } catch (IOException | RuntimeException | Error e) {
            FailureLog.log(LOG, Level.WARNING, () -> "a client could not be served", e);
            closeQuietly(channel);
            giveUpPlace();
            return;
        }
        try {
            synchronized (connections) {
                connections.add(connection);
            }
            connection.begin();
            if (closing) {
                connection.drain();
            }
        } catch (IOException | RuntimeException | Error e) {
            FailureLog.log(LOG, Level.WARNING, () -> "a client could not be greeted", e);
            // Its place is given up with it.
            connection.close();
        }
    }

    private void giveUpPlace() {
        synchronized (connections) {
            places--;
            connections.notifyAll();
        }
    }

    private static void closeQuietly(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            FailureLog.log(LOG, Level.DEBUG, () -> "a connection could not be closed", e);
        }
    }

    /** A connection waits for nothing but its client's end. */
    void lingers() {
        synchronized (connections) {
            connections.notifyAll();
        }
    }

    /** A connection is gone, with all that it had. */
    void left(Connection connection) {
        synchronized (connections) {
            connections.remove(connection);
            places--;
            connections.notifyAll();
        }
    }

    // ---- what connections ask

    Limits limits() {
        return limits;
    }

    MemoryBudget budget() {
        return budget;
    }

    boolean isClosing() {
        return closing;
    }

    boolean isEncrypted() {
        return tls != null;
    }

    SSLEngine serverEngine() {
        SSLContext context = tls;
        if (context == null) {
            throw new IllegalStateException("no TLS");
        }
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(new String[]{"TLSv1.3", "TLSv1.2"});
        parameters.setNeedClientAuth(clientCertificates);
        engine.setSSLParameters(parameters);
        return engine;
    }

    /**
     * Whom a worker lends a large request.
     *
     * @param worker who has it
     * @param number of the request: they take turns
     * @return another one; the same if there is none
     */
    Worker helperOf(Worker worker, int number) {
        int others = workers.size() - 1;
        return others == 0 ? worker : workers.get((worker.index + 1 + Math.floorMod(number, others)) % workers.size());
    }

    private void memoryIsBack() {
        for (Worker worker : workers) {
            boolean _ = worker.loop.execute(() -> worker.connections().forEach(Connection::memoryIsBack));
        }
    }

    // ---- what its owner asks

    /**
     * The exports.
     *
     * @return always the same
     */
    public Exports exports() {
        return exports;
    }

    /**
     * What was counted.
     *
     * @return always the same
     */
    public Counters counters() {
        return counters;
    }

    /**
     * Where it listens.
     *
     * @return in the order in which they were asked for
     */
    public List<SocketAddress> addresses() {
        return listeners.stream().map(Listener::address).toList();
    }

    /**
     * How many clients are connected.
     *
     * @return now
     */
    public int connectionCount() {
        synchronized (connections) {
            return places;
        }
    }

    /**
     * Memory of all requests.
     *
     * @return bytes now
     */
    public long memoryBytes() {
        return budget.used();
    }

    /**
     * Ends the use of an export that nobody finds any more: who has it is answered and then disconnected. Returns when the server is done
     * with its disk.
     *
     * @param export was removed
     */
    public void retire(Export export) {
        // A worker may have found it before, for a client that is not seen to have it yet.
        onAllWorkers(_ -> {});
        disconnect(connection -> export.equals(connection.export()));
        onAllWorkers(worker -> worker.forget(export));
    }

    /** Has each worker do something after all that it is doing now, one after the other, and waits for that. */
    private void onAllWorkers(Consumer<Worker> action) {
        for (Worker worker : workers) {
            CompletableFuture<@Nullable Void> done = new CompletableFuture<>();
            boolean accepted = worker.loop.execute(() -> {
                try {
                    action.accept(worker);
                } finally {
                    done.complete(null);
                }
            });
            if (accepted) {
                done.join();
            }
        }
    }

    /** Drains connections, closes those that do not end in time, and waits until all are gone. */
    private void disconnect(Predicate<Connection> which) {
        onEach(which, Connection::drain);
        long deadline = System.nanoTime() + limits.drainNanos();
        boolean forced = false;
        boolean interrupted = false;
        synchronized (connections) {
            while (connections.stream().anyMatch(which) || (closing && places > 0)) {
                long left = deadline - System.nanoTime();
                if (left <= 0 && !forced) {
                    forced = true;
                    onEach(which, Connection::close);
                }
                try {
                    TimeUnit.NANOSECONDS.timedWait(connections, Math.max(left, 10_000_000L));
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void onEach(Predicate<Connection> which, Consumer<Connection> action) {
        for (Worker worker : workers) {
            boolean _ = worker.loop.execute(() -> worker.connections().stream().filter(which).forEach(action));
        }
    }

    /**
     * Ends it: answers what was asked for, makes durable what was written, and closes all sockets. The disks stay open.
     *
     * @throws IOException if something could not be made durable
     */
    public void close() throws IOException {
        synchronized (connections) {
            if (closing) {
                return;
            }
            closing = true;
        }
        listeners.forEach(Server::closeListener);
        disconnect(_ -> true);
        IOException failure = sync();
        for (Worker worker : workers) {
            worker.loop.stop();
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static void closeListener(Listener listener) {
        // The file first: once nobody listens there another server may put its own in its place.
        try {
            if (listener.address instanceof UnixDomainSocketAddress unix && Files.exists(unix.getPath())
                    && Objects.equals(fileKey(unix), listener.fileKey)) {
                Files.deleteIfExists(unix.getPath());
            }
        } catch (IOException e) {
            FailureLog.log(LOG, Level.WARNING, () -> listener.address + " could not be removed", e);
        }
        try {
            listener.channel.close();
        } catch (IOException e) {
            FailureLog.log(LOG, Level.WARNING, () -> listener.address + " could not be closed", e);
        }
    }

    private @Nullable IOException sync() {
        IOException failure = null;
        for (Export export : exports.all()) {
            if (export.refusesWrites() || export.disk().isClosed()) {
                continue;
            }
            Worker worker = workers.getFirst();
            CompletableFuture<Status> result = new CompletableFuture<>();
            boolean _ = worker.loop.execute(() -> worker.sync(export, result));
            Status status = result.exceptionally(_ -> Status.IOERR).join();
            if (status != Status.OK) {
                IOException one = new IOException("export '" + export.name() + "': what was written could not be made"
                        + " durable: " + status.text());
                if (failure == null) {
                    failure = one;
                } else {
                    failure.addSuppressed(one);
                }
            }
        }
        return failure;
    }
}
