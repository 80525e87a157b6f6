package io.blkmq.nbd;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A process whose memory for I/O is used up when its server needs some for the first time, and comes back later. */
final class ServerWithoutMemory {
    private static final int DISK_BYTES = 1 << 20;

    private ServerWithoutMemory() {}

    /**
     * Serves, and is its own client.
     *
     * @param arguments the socket
     */
    public static void main(String[] arguments) throws IOException {
        Path socket = Path.of(arguments[0]);
        try (Disk disk = NullBlk.builder().capacityBytes(DISK_BYTES).memoryBacked(true).discard(false).build();
                NbdServer server = Patient.server().unix(socket).start()) {
            disk.queue().disable(Operation.WRITE_ZEROES);
            server.addExport(NbdExport.builder("d", disk).build());
            try (RawClient client = RawClient.simple(socket, "d")) {
                List<IoBuffer> taken = takeAll();
                System.out.println("without memory: " + zero(client));
                taken.forEach(IoBuffer::close);
                System.out.println("with memory: " + zero(client));
            }
        }
        System.out.println("closed");
    }

    private static List<IoBuffer> takeAll() {
        List<IoBuffer> taken = new ArrayList<>();
        for (int bytes = DISK_BYTES; bytes >= IoBuffer.ALIGNMENT_BYTES; bytes /= 2) {
            boolean some = true;
            while (some) {
                try {
                    taken.add(IoBuffer.allocate(bytes));
                } catch (OutOfMemoryError e) {
                    some = false;
                }
            }
        }
        return taken;
    }

    private static int zero(RawClient client) throws IOException {
        client.write(RawClient.request(Nbd.CMD_WRITE_ZEROES, 0, 1, 0, DISK_BYTES));
        return client.reply(0).error();
    }
}
