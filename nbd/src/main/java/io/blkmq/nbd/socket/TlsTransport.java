package io.blkmq.nbd.socket;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * The socket with TLS over it. The handshake comes first: {@link #handshake} is called until it says that it is done. What it has to
 * compute runs on a virtual thread, since it takes milliseconds, and others wait for the loop's thread.
 *
 * <p>All state belongs to the loop's thread; the task of a handshake has the engine alone, and gives it back by {@link Loop#execute}.
 */
public final class TlsTransport implements Transport {
    private final SocketChannel channel;
    private final SSLEngine engine;
    /** Null while the socket blocks: then the calling thread computes. */
    private final @Nullable Loop loop;
    /** Goes on with the handshake. */
    private final Runnable resume;
    /** Received and not decrypted; ready to be read. */
    private final ByteBuffer encrypted;
    /** Decrypted and not taken; ready to be read. */
    private final ByteBuffer decrypted;
    /** Encrypted and not sent; ready to be read. */
    private final ByteBuffer sending;
    private boolean ended;
    /** Whether the last record is incomplete. */
    private boolean starved = true;
    /** Whether a task of the handshake is running. */
    private boolean computing;

    /**
     * Begins.
     *
     * @param channel does not block
     * @param engine knows which side it is
     * @param loop the channel's
     * @param resume is run on the loop's thread when {@link #handshake} can go on without the socket
     * @throws SSLException if the engine refuses
     */
    public TlsTransport(SocketChannel channel, SSLEngine engine, Loop loop, Runnable resume) throws SSLException {
        this(channel, engine, resume, loop);
    }

    private TlsTransport(SocketChannel channel, SSLEngine engine, Runnable resume, @Nullable Loop loop)
            throws SSLException {
        this.channel = channel;
        this.engine = engine;
        this.loop = loop;
        this.resume = resume;
        int packet = engine.getSession().getPacketBufferSize();
        this.encrypted = ByteBuffer.allocateDirect(4 * packet).limit(0);
        this.decrypted = ByteBuffer.allocateDirect(engine.getSession().getApplicationBufferSize()).limit(0);
        this.sending = ByteBuffer.allocateDirect(4 * packet).limit(0);
        engine.beginHandshake();
    }

    /**
     * Begins on a socket that blocks until the handshake is done.
     *
     * @param channel blocks
     * @param engine knows which side it is
     * @return for one thread
     * @throws SSLException if the engine refuses
     */
    public static TlsTransport blocking(SocketChannel channel, SSLEngine engine) throws SSLException {
        return new TlsTransport(channel, engine, () -> {}, (Loop) null);
    }

    /**
     * Goes on with the handshake as far as it goes without waiting.
     *
     * @return whether it is done
     * @throws IOException if it failed; an alert has been sent then, if that went without waiting
     */
    public boolean handshake() throws IOException {
        try {
            while (!computing) {
                switch (engine.getHandshakeStatus()) {
                    case NEED_TASK -> compute();
                    case NEED_WRAP -> {
                        if (!flush()) {
                            return false;
                        }
                        wrap(new ByteBuffer[]{ByteBuffer.allocate(0)}, 1);
                    }
                    case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
                        // The other side may wait for it.
                        if (!flush() || !unwrapForHandshake()) {
                            return false;
                        }
                    }
                    case FINISHED, NOT_HANDSHAKING -> {
                        return flush();
                    }
                }
            }
            return false;
        } catch (SSLException e) {
            sayWhy();
            throw e;
        }
    }

    /**
     * Whether the handshake waits for what is being computed, and for nothing else.
     *
     * @return true until {@code resume} is run
     */
    public boolean isComputing() {
        return computing;
    }

    private void sayWhy() {
        try {
            engine.closeOutbound();
            while (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP && flush()) {
                wrap(new ByteBuffer[]{ByteBuffer.allocate(0)}, 1);
            }
            boolean _ = flush();
        } catch (IOException e) {
            // The other side is gone: nobody is left to be told.
            assert !e.toString().isEmpty();
        }
    }

    private boolean unwrapForHandshake() throws IOException {
        SSLEngineResult result = unwrap(decrypted.compact());
        decrypted.flip();
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            throw new EOFException("the other side ended the handshake");
        }
        if (result.getStatus() == SSLEngineResult.Status.BUFFER_UNDERFLOW) {
            int received = receive();
            if (received < 0) {
                throw new EOFException("the connection ended within the handshake");
            }
            return received > 0;
        }
        return true;
    }

    private void compute() {
        Runnable task = engine.getDelegatedTask();
        if (task == null) {
            return;
        }
        Loop waiting = loop;
        if (waiting == null) {
            task.run();
            return;
        }
        computing = true;
        Thread.ofVirtual().name("blkmq-nbd-tls").start(() -> {
            try {
                task.run();
            } finally {
                boolean _ = waiting.execute(() -> {
                    computing = false;
                    resume.run();
                });
            }
        });
    }

    /** Receives from the socket behind what is there. */
    private int receive() throws IOException {
        encrypted.compact();
        try {
            return channel.read(encrypted);
        } finally {
            encrypted.flip();
        }
    }

    private SSLEngineResult unwrap(ByteBuffer into) throws SSLException {
        return engine.unwrap(encrypted, into);
    }

    @Override
    public long read(ByteBuffer[] into) throws IOException {
        long total = 0;
        for (ByteBuffer buffer : into) {
            while (buffer.hasRemaining()) {
                int bytes = readInto(buffer);
                if (bytes <= 0) {
                    return total > 0 ? total : bytes;
                }
                total += bytes;
            }
        }
        return total;
    }

    private int readInto(ByteBuffer buffer) throws IOException {
        while (true) {
            if (decrypted.hasRemaining()) {
                int bytes = Math.min(decrypted.remaining(), buffer.remaining());
                buffer.put(decrypted.slice(decrypted.position(), bytes));
                decrypted.position(decrypted.position() + bytes);
                return bytes;
            }
            if (ended) {
                return -1;
            }
            decrypted.clear();
            SSLEngineResult result;
            try {
                result = unwrap(decrypted);
            } finally {
                decrypted.flip();
            }
            switch (result.getStatus()) {
                case OK -> {
                    if (!engine.getHandshakeStatus().equals(HandshakeStatus.NOT_HANDSHAKING)) {
                        afterHandshakeMessage();
                    }
                }
                case CLOSED -> ended = true;
                case BUFFER_UNDERFLOW -> {
                    int received = receive();
                    if (received <= 0) {
                        starved = true;
                        ended |= received < 0;
                        return received;
                    }
                }
                case BUFFER_OVERFLOW ->
                    throw new SSLException("a record of more than " + decrypted.capacity() + " bytes");
            }
            starved = false;
        }
    }

    /** A key update, or a session ticket. A renegotiation, which TLS 1.3 does not have, begins with something to compute. */
    private void afterHandshakeMessage() throws IOException {
        if (engine.getDelegatedTask() != null) {
            throw new SSLException("a renegotiation is refused");
        }
        if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
            wrap(new ByteBuffer[]{ByteBuffer.allocate(0)}, 1);
        }
    }

    @Override
    public long write(ByteBuffer[] from, int count) throws IOException {
        long total = 0;
        while (flush() && hasRemaining(from, count)) {
            total += wrap(from, count);
        }
        return total;
    }

    private static boolean hasRemaining(ByteBuffer[] from, int count) {
        for (int i = 0; i < count; i++) {
            if (from[i].hasRemaining()) {
                return true;
            }
        }
        return false;
    }

    /** Encrypts as much as fits. */
    private long wrap(ByteBuffer[] from, int count) throws SSLException {
        sending.compact();
        long taken = 0;
        try {
            SSLEngineResult result;
            do {
                result = engine.wrap(from, 0, count, sending);
                taken += result.bytesConsumed();
            } while (result.getStatus() == SSLEngineResult.Status.OK && result.bytesConsumed() > 0
                    && hasRemaining(from, count));
            if (result.getStatus() == SSLEngineResult.Status.CLOSED && hasRemaining(from, count)) {
                throw new SSLException("the connection is closed");
            }
            return taken;
        } finally {
            sending.flip();
        }
    }

    @Override
    public boolean flush() throws IOException {
        if (sending.hasRemaining()) {
            int _ = channel.write(sending);
        }
        return !sending.hasRemaining();
    }

    @Override
    public boolean hasUnread() {
        return decrypted.hasRemaining() || ended || (!starved && encrypted.hasRemaining());
    }

    @Override
    public void shutdown() throws IOException {
        engine.closeOutbound();
        if (flush()) {
            wrap(new ByteBuffer[]{ByteBuffer.allocate(0)}, 1);
            boolean _ = flush();
        }
    }
}
