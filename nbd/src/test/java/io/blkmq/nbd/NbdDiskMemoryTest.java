package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Memory that maps a file which has been cut: it costs its own request, and those beside it nothing. */
@NoRescues
@Timeout(300)
class NbdDiskMemoryTest {
    private static final int MIB = 1 << 20;
    /** More than connections are tried for a request. */
    private static final int REQUESTS = 10;

    @TempDir
    private Path directory = Path.of("");

    private MemorySegment cut(int bytes, Arena arena) throws IOException {
        Path file = Files.write(directory.resolve("cut"), new byte[bytes]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment mapped = channel.map(MapMode.READ_WRITE, 0, bytes, arena);
            var _ = channel.truncate(0);
            return mapped;
        }
    }

    private static CompletableFuture<Status> submit(Plug plug, Operation operation, long sector, MemorySegment memory) {
        CompletableFuture<Status> ended = new CompletableFuture<>();
        plug.submit(new Bio().reset(operation, sector).add(memory, 0, memory.byteSize()).flags(Bio.CALLER_MEMORY)
                .onEnd(bio -> ended.complete(bio.status())));
        return ended;
    }

    @ParameterizedTest
    @CsvSource({"READ, 4096", "READ, 1048576", "WRITE, 4096", "WRITE, 1048576"})
    void requestsBesideThoseWhoseMemoryIsGoneSucceed(Operation operation, int bytes) throws Exception {
        Path socket = directory.resolve("s");
        // No time passes: nothing is helped by a time-out.
        TestClock clock = new TestClock();
        try (Disk behind = Scratch.memory(16 * MIB); NbdServer server = Patient.server().unix(socket).start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Arena arena = Arena.ofShared();
                    Disk disk = Patient.disk(NbdUri.parse("nbd+unix:///d?socket=" + socket)).connections(1)
                            .replyTimeout(Duration.ofDays(365)).runtime(clock.runtime()).open()) {
                MemorySegment gone = cut(bytes, arena);
                List<CompletableFuture<Status>> bad = new ArrayList<>();
                List<CompletableFuture<Status>> good = new ArrayList<>();
                try (Plug plug = disk.plug()) {
                    for (int i = 0; i < REQUESTS; i++) {
                        // Not neighbours, which would be one request.
                        bad.add(submit(plug, operation, i * 2L * bytes / 512 % (8 * MIB / 512), gone));
                    }
                    good.add(submit(plug, operation, 12 * MIB / 512, arena.allocate(bytes, 4096)));
                    good.add(submit(plug, Operation.READ, 14 * MIB / 512, arena.allocate(4096, 4096)));
                }
                assertThat(good).allSatisfy(each -> assertThat(each.join()).isEqualTo(Status.OK));
                assertThat(bad).allSatisfy(each -> assertThat(each.join()).isEqualTo(Status.IOERR));
            }
        }
    }
}
