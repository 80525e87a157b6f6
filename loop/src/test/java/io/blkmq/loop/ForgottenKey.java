package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.testing.JavaProcess;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A process that uses a key, and looks for it among its own live objects. Its heap is small, and has nothing of other tests. */
public final class ForgottenKey {
    private static final int KEY_BYTES = 64;
    private static final int PIECE_BYTES = 16;

    private ForgottenKey() {}

    /** Runs one. Returns the lines that it prints. */
    static List<String> run(Path image, long seed) throws IOException, InterruptedException {
        Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(),
                ForgottenKey.class.getName(), image.toString(), Long.toString(seed));
        List<String> printed = process.inputReader(StandardCharsets.UTF_8).lines().toList();
        assertThat(process.waitFor()).as(String.join("\n", printed)).isZero();
        return printed;
    }

    /**
     * What the process does.
     *
     * @param arguments the image, in whose folder it has its own files, and the seed of the key
     * @throws Exception if anything fails
     */
    public static void main(String[] arguments) throws Exception {
        Path image = Path.of(arguments[0]);
        Path dump = image.resolveSibling("heap.hprof");
        byte[] secret = new byte[KEY_BYTES];
        new Random(Long.parseLong(arguments[1])).nextBytes(secret);
        // Kept inverted, so that this copy is not what is found.
        byte[] inverted = invert(secret);
        LoopDevice device = LoopDevice.attach(
                LoopConfig.builder(image).transfer(TransferFunctions.AES_XTS, TransferKey.copyOf(secret)).build());
        Arrays.fill(secret, (byte) 0);
        device.disk().write(0, MemorySegment.ofArray(new byte[8192]));
        device.disk().read(0, MemorySegment.ofArray(new byte[8192]));
        dumpHeap(dump);
        IO.println("attached, first half: " + isIn(dump, inverted, 0));
        device.close();
        dumpHeap(dump);
        IO.println("detached, first half: " + isIn(dump, inverted, 0));
        IO.println("detached, second half: " + isIn(dump, inverted, KEY_BYTES / 2));
        IO.println("closed: " + device.disk().isClosed());
    }

    private static byte[] invert(byte[] bytes) {
        byte[] inverted = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            inverted[i] = (byte) ~bytes[i];
        }
        return inverted;
    }

    /** All live objects. By reflection, because the module under test does not read that of the management beans. */
    private static void dumpHeap(Path dump) throws IOException, ReflectiveOperationException {
        Files.deleteIfExists(dump);
        Class<?> type = Class.forName("com.sun.management.HotSpotDiagnosticMXBean");
        Object bean = Class.forName("java.lang.management.ManagementFactory")
                .getMethod("getPlatformMXBean", Class.class).invoke(null, type);
        type.getMethod("dumpHeap", String.class, boolean.class).invoke(bean, dump.toString(), true);
    }

    /** Whether some bytes of a key stand in a dump, as they are, as in the words of a key schedule. */
    private static boolean isIn(Path dump, byte[] inverted, int from) throws IOException {
        try (FileChannel file = FileChannel.open(dump, StandardOpenOption.READ); Arena arena = Arena.ofConfined()) {
            MemorySegment heap = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size(), arena);
            long last = heap.byteSize() - PIECE_BYTES;
            for (long at = 0; at <= last; at++) {
                if (matches(heap, at, inverted, from)) {
                    return true;
                }
            }
            return false;
        }
    }

    private static boolean matches(MemorySegment heap, long at, byte[] inverted, int from) {
        for (int i = 0; i < PIECE_BYTES; i++) {
            if (heap.get(ValueLayout.JAVA_BYTE, at + i) != (byte) ~inverted[from + i]) {
                return false;
            }
        }
        return true;
    }
}
