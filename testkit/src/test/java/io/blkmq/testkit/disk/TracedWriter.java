package io.blkmq.testkit.disk;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** A program that records a trace and dies without closing it. */
final class TracedWriter {
    private TracedWriter() {}

    public static void main(String[] arguments) throws Exception {
        Disk disk = NullBlk.builder().name("doomed").completion(NullBlk.Completion.INLINE).build();
        var _ = TraceRecorder.start(disk, Path.of(arguments[0]));
        int count = Integer.parseInt(arguments[1]);
        for (int i = 0; i < count; i++) {
            disk.write(i * 512L, MemorySegment.ofArray(new byte[512]));
        }
        Runtime.getRuntime().halt(3);
    }
}
