package io.blkmq.nbd.server;

/**
 * What clients may use.
 *
 * @param connections in all
 * @param requests of one connection at a time
 * @param connectionBytes of one connection's requests at a time
 * @param totalBytes of all requests at a time
 * @param requestBytes of the data of one request
 * @param handshakeNanos from the connection to its first request
 * @param stallNanos without a byte, within a message or while replies wait
 * @param drainNanos for requests to end when the server closes
 */
public record Limits(int connections, int requests, long connectionBytes, long totalBytes, int requestBytes,
        long handshakeNanos, long stallNanos, long drainNanos) {}
