package io.blkmq.nbd;

import io.blkmq.nbd.server.Counters;
import io.blkmq.nbd.server.Export;
import io.blkmq.nbd.server.Extents;
import io.blkmq.nbd.server.Limits;
import io.blkmq.nbd.server.Server;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Serves disks over the network block device protocol, to any program that speaks it and to the Linux kernel. The counterpart is
 * {@code nbd-server}. Thread-safe.
 *
 * <pre>{@code
 * try (NbdServer server = NbdServer.builder().unix(Path.of("disk.sock")).start()) {
 *     server.addExport(NbdExport.builder("disk", disk).build());
 *     ...
 * }
 * }</pre>
 *
 * <p>Requests of a client run side by side, and are answered as they end. A write is acknowledged when the disk has acknowledged it. A
 * flush, on whatever connection, makes durable all writes to its disk that were acknowledged before, on whatever connection
 * ({@code CAN_MULTI_CONN}).
 *
 * <p>What a client asks for is checked before anything is done: it gets no byte outside of its export, and nothing that it sends leads
 * to more than a defined error or the end of its connection. Clients are not known to the server, unless TLS with client certificates is
 * on, and who reaches its socket can use all exports: so it listens at the loopback interface unless told otherwise.
 *
 * @since 0.1.0
 */
public final class NbdServer implements AutoCloseable {
    /** The port that IANA has assigned to NBD. */
    public static final int PORT_DEFAULT = Nbd.PORT;
    /** The most data of one request that can be set, in bytes. */
    public static final int REQUEST_BYTES_MAX = 64 << 20;
    /** The most threads. */
    public static final int THREADS_MAX = 256;

    private final Server server;
    private final boolean encrypted;
    private final List<NbdExport> exports = new ArrayList<>();

    private NbdServer(Server server, boolean encrypted) {
        this.server = server;
        this.encrypted = encrypted;
    }

    /**
     * Begins to describe a server.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Adds an export. Clients find it from now on.
     *
     * @param export with a name that no other has
     * @throws IllegalArgumentException if another has the name
     */
    public void addExport(NbdExport export) {
        AllocationMap map = export.allocation();
        Extents extents = map == null ? Extents.UNKNOWN : (offset, bytes) -> run(map.at(offset, bytes));
        synchronized (exports) {
            if (!server.exports().add(
                    new Export(export.name(), export.disk(), export.description(), export.isReadOnly(), extents))) {
                throw new IllegalArgumentException("there is an export '" + export.name() + "' already");
            }
            exports.add(export);
        }
    }

    private static Extents.Run run(AllocationMap.Extent extent) {
        return new Extents.Run(extent.bytes(),
                (extent.allocated() ? 0 : Nbd.STATE_HOLE) | (extent.zero() ? Nbd.STATE_ZERO : 0));
    }

    /**
     * Removes an export. Nobody finds it any more; who uses it gets answers to what was asked for, and is disconnected then. When this
     * returns, the server is done with the disk.
     *
     * @param name the export's name
     * @return whether there was one
     */
    public boolean removeExport(String name) {
        Export removed;
        synchronized (exports) {
            removed = server.exports().remove(name);
            // Now, and not when its clients are gone: by then there may be another of the name.
            exports.removeIf(export -> export.name().equals(name));
        }
        if (removed == null) {
            return false;
        }
        server.retire(removed);
        return true;
    }

    /**
     * The exports.
     *
     * @return in the order in which they were added
     */
    public List<NbdExport> exports() {
        synchronized (exports) {
            return List.copyOf(exports);
        }
    }

    /**
     * Where it listens.
     *
     * @return in the order in which they were asked for, with the ports that were chosen
     */
    public List<SocketAddress> addresses() {
        return server.addresses();
    }

    /**
     * What clients need to connect.
     *
     * @param export the export's name
     * @return one for each of {@link #addresses}
     */
    public List<NbdUri> uris(String export) {
        return server.addresses().stream().map(address -> new NbdUri(address, export, encrypted)).toList();
    }

    /**
     * What it has done.
     *
     * @return the counters as they are now
     */
    public NbdStatistics statistics() {
        Counters counters = server.counters();
        return new NbdStatistics(server.connectionCount(), counters.accepted.sum(), counters.refused.sum(),
                counters.aborted.sum(), counters.reads.sum(), counters.writes.sum(), counters.others.sum(),
                counters.errors.sum(), counters.bytesRead.sum(), counters.bytesWritten.sum(), server.memoryBytes());
    }

    /**
     * Ends it: no client is accepted any more; those that are connected get answers to what they have asked for, as long as that takes
     * no longer than {@link Builder#drainTimeout}, and are disconnected; what was written is made durable. The disks stay open. Closing
     * again does nothing.
     *
     * @throws IOException if something that was written could not be made durable
     */
    @Override
    public void close() throws IOException {
        server.close();
    }

    /** Describes a server. For one thread. */
    public static final class Builder {
        private final List<SocketAddress> addresses = new ArrayList<>();
        private @Nullable NbdTls tls;
        private int threads = 1;
        private int connections = 128;
        private int requests = 128;
        private long connectionBytes = 64L << 20;
        private long totalBytes = 256L << 20;
        private int requestBytes = 32 << 20;
        private Duration handshakeTimeout = Duration.ofSeconds(30);
        private Duration stallTimeout = Duration.ofSeconds(60);
        private Duration drainTimeout = Duration.ofSeconds(30);
        private IoRuntime runtime = IoRuntime.system();

        private Builder() {}

        /**
         * Listens at a Unix socket. The socket of a server that is gone is removed, and nothing else that is there; the server's own file
         * is removed at the end.
         *
         * @param path of the socket
         * @return this
         */
        public Builder unix(Path path) {
            addresses.add(UnixDomainSocketAddress.of(path));
            return this;
        }

        /**
         * Listens at a port of the loopback interface.
         *
         * @param port 0 for any that is free
         * @return this
         */
        public Builder loopback(int port) {
            return tcp(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        }

        /**
         * Listens at an address of this machine: who reaches it can use all exports.
         *
         * @param address with port 0 for any that is free
         * @return this
         */
        public Builder tcp(InetSocketAddress address) {
            addresses.add(address);
            return this;
        }

        /**
         * Encrypts: a client that does not is refused.
         *
         * @param value keys and certificates of a server
         * @return this
         */
        public Builder tls(NbdTls value) {
            this.tls = value;
            return this;
        }

        /**
         * Sets the number of threads, which share the connections.
         *
         * @param value 1 to {@value #THREADS_MAX}; 1 by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder threads(int value) {
            this.threads = (int) within("threads", value, 1, THREADS_MAX);
            return this;
        }

        /**
         * Sets how many clients may be connected; more are sent away.
         *
         * @param value at least 1; 128 by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder connectionsMax(int value) {
            this.connections = (int) within("connections", value, 1, 1 << 20);
            return this;
        }

        /**
         * Sets how many requests of one connection run side by side; more wait in its socket.
         *
         * @param value 1 to 4096; 128 by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder requestsMax(int value) {
            this.requests = (int) within("requests", value, 1, 4096);
            return this;
        }

        /**
         * Sets the memory of one connection's requests; more wait in its socket, but one always goes on.
         *
         * @param value bytes; 64 MiB by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder connectionBytesMax(long value) {
            this.connectionBytes = within("bytes of a connection", value, 4096, Long.MAX_VALUE / 2);
            return this;
        }

        /**
         * Sets the memory of all requests; more wait in their sockets, but one of each connection always goes on.
         *
         * @param value bytes; 256 MiB by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder totalBytesMax(long value) {
            this.totalBytes = within("bytes in all", value, 4096, Long.MAX_VALUE / 2);
            return this;
        }

        /**
         * Sets the most data of one request, which clients are told; a longer read or write is refused.
         *
         * @param value bytes, a power of two from 64 KiB to {@value #REQUEST_BYTES_MAX}; 32 MiB by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder requestBytesMax(int value) {
            if (Integer.bitCount(value) != 1) {
                throw new IllegalArgumentException("bytes of a request: " + value + " is no power of two");
            }
            this.requestBytes = (int) within("bytes of a request", value, 64 << 10, REQUEST_BYTES_MAX);
            return this;
        }

        /**
         * Sets how long a client may take until it has chosen an export.
         *
         * @param value positive; 30 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder handshakeTimeout(Duration value) {
            this.handshakeTimeout = positive("handshake", value);
            return this;
        }

        /**
         * Sets how long a client may stop within a message, or not take a reply. Between requests it may be silent for ever.
         *
         * @param value positive; 60 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder stallTimeout(Duration value) {
            this.stallTimeout = positive("stall", value);
            return this;
        }

        /**
         * Sets how long {@link NbdServer#close} and {@link NbdServer#removeExport} wait for clients to take their answers. {@code close}
         * also waits so long for the end of a TCP client that was using an export: a socket that is closed while the client still sends
         * would lose answers.
         *
         * @param value positive; 30 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder drainTimeout(Duration value) {
            this.drainTimeout = positive("drain", value);
            return this;
        }

        /** Whose clock {@link #handshakeTimeout} and {@link #stallTimeout} go by: a test's own. */
        Builder runtime(IoRuntime value) {
            this.runtime = value;
            return this;
        }

        private static long within(String what, long value, long least, long most) {
            if (value < least || value > most) {
                throw new IllegalArgumentException(what + ": " + value + " is not within " + least + " and " + most);
            }
            return value;
        }

        private static Duration positive(String what, Duration value) {
            if (value.isNegative() || value.isZero() || value.compareTo(Duration.ofDays(365)) > 0) {
                throw new IllegalArgumentException(what + " time-out: " + value + " is not within 0 and a year");
            }
            return value;
        }

        /**
         * Starts it, without exports.
         *
         * @return the server, to be closed
         * @throws IOException if it cannot listen, naming where
         * @throws IllegalStateException if nothing was said about where
         */
        public NbdServer start() throws IOException {
            if (addresses.isEmpty()) {
                throw new IllegalStateException("a server needs an address: unix, loopback or tcp");
            }
            Limits limits = new Limits(connections, requests, connectionBytes, totalBytes, requestBytes,
                    handshakeTimeout.toNanos(), stallTimeout.toNanos(), drainTimeout.toNanos());
            NbdTls given = tls;
            Server server = new Server(limits, threads, runtime, given == null ? null : given.context(),
                    given != null && given.verifiesClients());
            boolean started = false;
            try {
                for (SocketAddress address : addresses) {
                    server.listen(address);
                }
                started = true;
                return new NbdServer(server, given != null);
            } finally {
                if (!started) {
                    server.close();
                }
            }
        }
    }
}
