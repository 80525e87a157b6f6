package io.blkmq.nbd;

import java.time.Duration;

/** Servers and disks that wait for each other longer than any machine pauses: who gives up does so since a test wants it. */
final class Patient {
    static final Duration PATIENCE = Duration.ofMinutes(10);

    private Patient() {}

    static NbdServer.Builder server() {
        return NbdServer.builder().handshakeTimeout(PATIENCE).stallTimeout(PATIENCE).drainTimeout(PATIENCE);
    }

    static NbdDisk.Builder disk(NbdUri uri) {
        return NbdDisk.builder(uri).connectTimeout(PATIENCE).replyTimeout(PATIENCE).giveUpAfter(PATIENCE);
    }
}
