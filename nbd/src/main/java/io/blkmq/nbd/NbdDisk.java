package io.blkmq.nbd;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.TagSet;
import io.blkmq.nbd.client.Device;
import io.blkmq.nbd.client.Offer;
import io.blkmq.nbd.client.Target;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Makes a disk of an export of a server: this one's, or another's. The kernel's counterpart is {@code drivers/block/nbd.c}.
 *
 * <pre>{@code
 * try (Disk disk = NbdDisk.builder(NbdUri.parse("nbd://localhost/export")).open()) {
 *     ...
 * }
 * }</pre>
 *
 * <p>Each hardware queue of the disk is a connection, if the server says that several are one device; otherwise there is one. Requests
 * are on their way side by side. A thread of the disk completes them.
 *
 * <p><b>When a connection breaks</b>, or the server sends what was not asked for, or nothing in time, the disk connects again, and asks
 * anew what has no reply. For each connection it looks the host of the URI up once more: the server may have moved. What the server had acknowledged and no flush had covered may be lost with the server: then the flushes in
 * flight fail, or the next one does, with {@link io.blkmq.core.Status#TRANSPORT}. So a flush that succeeds has kept its promise, unless
 * another flush of the disk has failed since the writes that it covers: that one has told of them, once for all who share the disk. A
 * disk with several connections goes on when all are connected again, or given up. Without a connection that works for {@link Builder#giveUpAfter}, or if the export is another one by then, everything fails with that status
 * from then on.
 *
 * @since 0.1.0
 */
public final class NbdDisk {
    /** The most connections. */
    public static final int CONNECTIONS_MAX = 64;

    private static final long DISCARD_BYTES_MAX = 1L << 30;
    /** Less: a server may write them, and has no longer for that than for any other reply. */
    private static final long ZEROES_BYTES_MAX = 64L << 20;
    private static final int REQUEST_BYTES_MAX = 4 << 20;
    private static final int SEGMENTS_MAX = 256;

    private NbdDisk() {}

    /**
     * Begins to describe a disk.
     *
     * @param uri of the export
     * @return a new builder
     */
    public static Builder builder(NbdUri uri) {
        return new Builder(uri);
    }

    /** Describes a disk. For one thread. */
    public static final class Builder {
        private final NbdUri uri;
        private @Nullable String name;
        private @Nullable NbdTls tls;
        private int connections = 4;
        private int depth = 64;
        private boolean readOnly;
        private Duration connectTimeout = Duration.ofSeconds(10);
        private Duration replyTimeout = Duration.ofSeconds(30);
        private Duration giveUpAfter = Duration.ofSeconds(60);
        private IoRuntime runtime = IoRuntime.system();
        private Target.Lookup lookup = InetAddress::getByName;

        private Builder(NbdUri uri) {
            this.uri = uri;
        }

        /**
         * Sets the disk's name.
         *
         * @param value for people; the URI by default
         * @return this
         */
        public Builder name(String value) {
            this.name = value;
            return this;
        }

        /**
         * Sets keys and certificates, in place of those that the URI names. A URI that wants TLS needs them; with any other, they turn TLS
         * on.
         *
         * @param value of a client
         * @return this
         */
        public Builder tls(NbdTls value) {
            this.tls = value;
            return this;
        }

        /**
         * Sets how many connections there are, where the server allows several.
         *
         * @param value 1 to {@value NbdDisk#CONNECTIONS_MAX}; 4 by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder connections(int value) {
            if (value < 1 || value > CONNECTIONS_MAX) {
                throw new IllegalArgumentException("connections " + value + ": 1 to " + CONNECTIONS_MAX);
            }
            this.connections = value;
            return this;
        }

        /**
         * Sets how many requests of a connection are on their way at a time.
         *
         * @param value 1 to {@value TagSet#DEPTH_MAX}; 64 by default
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder depth(int value) {
            if (value < 1 || value > TagSet.DEPTH_MAX) {
                throw new IllegalArgumentException("depth " + value + ": 1 to " + TagSet.DEPTH_MAX);
            }
            this.depth = value;
            return this;
        }

        /**
         * Sets whether the disk refuses writes, whatever the server allows.
         *
         * @param value true to refuse them
         * @return this
         */
        public Builder readOnly(boolean value) {
            this.readOnly = value;
            return this;
        }

        /**
         * Sets how long one try to connect may take, and how long the look-up of the server's name before it.
         *
         * @param value positive; 10 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder connectTimeout(Duration value) {
            this.connectTimeout = positive("connectTimeout", value);
            return this;
        }

        /**
         * Sets how long a request may have no reply before its connection counts as broken. A connection that comes after a broken one
         * has this time from its own beginning. A server that is silent to what it was asked anew may be noticed later, after up to twice
         * this time.
         *
         * @param value positive; 30 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder replyTimeout(Duration value) {
            this.replyTimeout = positive("replyTimeout", value);
            return this;
        }

        /**
         * Sets how long it tries to connect again before everything fails.
         *
         * @param value positive; 60 seconds by default
         * @return this
         * @throws IllegalArgumentException if it is not positive, or longer than a year
         */
        public Builder giveUpAfter(Duration value) {
            this.giveUpAfter = positive("giveUpAfter", value);
            return this;
        }

        /** Whose clock {@link #replyTimeout} and {@link #giveUpAfter} go by: a test's own. */
        Builder runtime(IoRuntime value) {
            this.runtime = value;
            return this;
        }

        /** What looks hosts up: a test's own. */
        Builder lookup(Target.Lookup value) {
            this.lookup = value;
            return this;
        }

        private static Duration positive(String what, Duration value) {
            if (value.isNegative() || value.isZero() || value.compareTo(Duration.ofDays(365)) > 0) {
                throw new IllegalArgumentException(what + " " + value + ": not within 0 and a year");
            }
            return value;
        }

        /**
         * Connects.
         *
         * @return the disk; closing it disconnects
         * @throws IOException if there is no such server or export, or the server offers what cannot be used; names the URI and says which
         * @throws IllegalStateException if the URI wants TLS, and there are no keys and certificates
         */
        public Disk open() throws IOException {
            NbdTls own = tls();
            String host = uri.address() instanceof InetSocketAddress inet ? inet.getHostString() : null;
            Target target = new Target(uri.address(), lookup, new AtomicReference<>(), uri.export(),
                    own == null ? null : own.context(), host, connectTimeout.toNanos(), replyTimeout.toNanos(),
                    giveUpAfter.toNanos(), runtime);
            String shown = name == null ? uri.toString() : name;
            Device device = connect(shown, target);
            try {
                QueueLimits limits = limits(device.offer());
                long block = limits.logicalBlockBytes();
                long sectors = device.offer().sizeBytes() / block * block / QueueLimits.SECTOR_BYTES;
                if (sectors == 0) {
                    throw new IOException(uri + ": an export of " + device.offer().sizeBytes() + " bytes is no disk");
                }
                TagSet tags = TagSet.builder(device).hardwareQueues(device.connections()).depth(depth)
                        .flag(TagSet.Flag.MERGE).timeoutNanos(replyTimeout.toNanos()).runtime(runtime).build();
                try {
                    return Disk.of(tags.newQueue(shown, limits, sectors, null), () -> {
                        tags.close();
                        device.close();
                    });
                } catch (RuntimeException | IOException | Error e) {
                    tags.close();
                    throw e;
                }
            } catch (RuntimeException | IOException | Error e) {
                device.close();
                throw e;
            }
        }

        private @Nullable NbdTls tls() throws IOException {
            if (tls == null && uri.certificates() != null) {
                return NbdTls.ofClientDirectory(uri.certificates());
            }
            if (tls == null && uri.encrypted()) {
                throw new IllegalStateException(
                        uri + " wants TLS: ?tls-certificates=DIR in the URI, or tls(), has to give"
                                + " keys and certificates");
            }
            return tls;
        }

        private Device connect(String shown, Target target) throws IOException {
            try {
                return Device.connect(shown, target, connections, depth);
            } catch (IOException e) {
                throw new IOException(uri + ": " + e.getMessage(), e);
            }
        }

        private QueueLimits limits(Offer offer) throws IOException {
            int block = Math.max(QueueLimits.SECTOR_BYTES, offer.blockBytes());
            if (block > QueueLimits.LOGICAL_BLOCK_BYTES_MAX || offer.requestBytes() < 4096) {
                throw new IOException(uri + ": blocks of " + offer.blockBytes() + " to " + offer.requestBytes()
                        + " bytes cannot be used");
            }
            int most = Math.min(offer.requestBytes(), REQUEST_BYTES_MAX);
            int requestBytes = most - most % block;
            boolean extended = offer.style() == ReplyStyle.EXTENDED;
            long discard = extended ? 64 * DISCARD_BYTES_MAX : DISCARD_BYTES_MAX;
            // Without a flush there is no cache to write through.
            boolean cache = offer.has(Nbd.FLAG_SEND_FLUSH);
            return QueueLimits.builder().logicalBlockBytes(block).requestBytesMax(requestBytes)
                    .segmentsMax(SEGMENTS_MAX).discardBytesMax(offer.has(Nbd.FLAG_SEND_TRIM) ? discard : 0)
                    .writeZeroesBytesMax(offer.has(Nbd.FLAG_SEND_WRITE_ZEROES) ? ZEROES_BYTES_MAX : 0)
                    .writeCache(cache, cache && offer.has(Nbd.FLAG_SEND_FUA)).rotational(offer.has(Nbd.FLAG_ROTATIONAL))
                    .readOnly(readOnly || offer.has(Nbd.FLAG_READ_ONLY)).build();
        }
    }
}
