package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A process whose memory for I/O is used up for a while: what needs some fails then, and not for ever. */
@NoRescues
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LittleMemoryTest {
    private static final String MAX_BYTES = "" + (4 << 20);

    private static String printedBy(Class<?> program) throws Exception {
        Process process = JavaProcess.start("-Dblkmq.memory.maxBytes=" + MAX_BYTES, "-cp", JavaProcess.classPath(),
                program.getName());
        process.getOutputStream().close();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(printed).isZero();
        return printed;
    }

    private static List<IoBuffer> takeAll() {
        List<IoBuffer> taken = new ArrayList<>();
        for (int bytes = 1 << 20; bytes >= 4096; bytes /= 2) {
            try {
                while (true) {
                    taken.add(IoBuffer.allocate(bytes));
                }
            } catch (OutOfMemoryError e) {
                // Perhaps there is still some for smaller ones.
            }
        }
        return taken;
    }

    /** How something ends that does not end well without memory. */
    private static String end(IoCall call) {
        try {
            call.run();
            return "OK";
        } catch (BlockIOException e) {
            return e.status().name();
        }
    }

    private interface IoCall {
        void run() throws BlockIOException;
    }

    private static NullBlk.Builder device(String name, Completion completion) {
        return NullBlk.builder().name(name).completion(completion).memoryBacked(true).capacityBytes(1 << 20);
    }

    /** Writes zeroes to a device that cannot by itself, without memory for them and with. */
    static final class Zeroes {
        private Zeroes() {}

        public static void main(String[] arguments) throws IOException {
            try (Disk disk = device("mem0", Completion.INLINE).build()) {
                disk.freeze();
                disk.queue().setLimits(disk.limits().toBuilder().writeZeroesBytesMax(0).build());
                disk.unfreeze();
                List<IoBuffer> all = takeAll();
                System.out.println(end(() -> disk.writeZeroes(0, 65536, false)));
                all.forEach(IoBuffer::close);
                System.out.println(end(() -> disk.writeZeroes(0, 65536, false)));
            }
        }
    }

    @Test
    void zeroesAreWrittenOnceThereIsMemoryForThem() throws Exception {
        assertThat(printedBy(Zeroes.class).lines().filter(line -> line.length() <= 5)).containsExactly("IOERR", "OK");
    }

    /** Transfers, looking for zeroes, without memory for those to compare with and with. */
    static final class Transfer {
        private Transfer() {}

        public static void main(String[] arguments) throws IOException {
            for (Completion completion : List.of(Completion.POLLED, Completion.TIMER)) {
                try (Disk source = device("from", completion).completionNanos(1_000_000).build();
                        Disk target = device("to", completion).completionNanos(1_000_000).build()) {
                    TransferOptions options = TransferOptions.DEFAULT.withPieceBytes(65536).withZeroRuns(true);
                    // Its buffers are there before the others are taken; its reads have not begun.
                    source.queue().quiesce();
                    DiskTransfer transfer = source.startCopy(target, options);
                    List<IoBuffer> all = takeAll();
                    source.queue().unquiesce();
                    System.out.println(end(transfer::await));
                    all.forEach(IoBuffer::close);
                }
            }
            try (Disk source = device("from", Completion.INLINE).build();
                    Disk target = device("to", Completion.INLINE).build()) {
                System.out.println(end(source.startCopy(target, TransferOptions.DEFAULT.withZeroRuns(true))::await));
            }
        }
    }

    @Test
    void aTransferThatFindsNoMemoryForZeroesEnds() throws Exception {
        assertThat(printedBy(Transfer.class).lines().filter(line -> line.length() <= 5)).containsExactly("IOERR",
                "IOERR", "OK");
    }
}
