package io.blkmq.nbd.client;

import io.blkmq.runtime.IoRuntime;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * What a client connects to, and its patience.
 *
 * @param address of the server; an unresolved one is looked up for each connection
 * @param lookup looks a host up, and may block
 * @param lastFound the address of the host that the last look-up found, for when there is no answer; any greeting writes it
 * @param export the export's name
 * @param tls null for none; otherwise nothing goes without
 * @param tlsHost the name that the server's certificate must have; null to take any that the context trusts
 * @param connectNanos for one try to connect and negotiate
 * @param replyNanos for the reply to a request
 * @param giveUpNanos without a connection that works, after which requests fail
 * @param runtime whose clock the two before go by
 */
public record Target(SocketAddress address, Lookup lookup, AtomicReference<@Nullable InetAddress> lastFound,
        String export, @Nullable SSLContext tls, @Nullable String tlsHost, long connectNanos, long replyNanos,
        long giveUpNanos, IoRuntime runtime) {

    /** Looks hosts up. */
    @FunctionalInterface
    public interface Lookup {
        /**
         * Looks one up.
         *
         * @param host its name
         * @return its address
         * @throws UnknownHostException if it has none
         */
        InetAddress address(String host) throws UnknownHostException;
    }

    /** {@return the address for people} */
    String shown() {
        return address instanceof InetSocketAddress inet && inet.isUnresolved()
                ? inet.getHostString() + ":" + inet.getPort()
                : address.toString();
    }
}
