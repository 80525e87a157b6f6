package io.blkmq.tools.job;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Facts of the machine that job files may name.
 *
 * @param pageBytes the size of a page of memory
 * @param memoryMib its memory, in units of 1024 * 1024 bytes
 * @param processors how many there are for this process
 */
record Machine(long pageBytes, long memoryMib, int processors) {
    private static final Path AUXILIARY_VECTOR = Path.of("/proc/self/auxv");
    private static final long AT_PAGESZ = 6;
    private static final long PAGE_BYTES_DEFAULT = 4096;
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Pattern TOTAL = Pattern.compile("MemTotal: +(\\d+) kB");
    private static final int KIBIBYTE = 1024;

    /** This one. What the system does not tell is guessed. */
    static Machine here() {
        Runtime runtime = Runtime.getRuntime();
        return new Machine(pageSize(), memory(runtime), runtime.availableProcessors());
    }

    private static long pageSize() {
        try {
            ByteBuffer words = ByteBuffer.wrap(Files.readAllBytes(AUXILIARY_VECTOR)).order(ByteOrder.nativeOrder());
            while (words.remaining() >= 2 * Long.BYTES) {
                long name = words.getLong();
                long value = words.getLong();
                if (name == AT_PAGESZ) {
                    return value;
                }
            }
        } catch (IOException e) {
            return PAGE_BYTES_DEFAULT;
        }
        return PAGE_BYTES_DEFAULT;
    }

    private static long memory(Runtime runtime) {
        try {
            Matcher total = TOTAL.matcher(Files.readString(MEMORY));
            if (total.find()) {
                return Long.parseLong(total.group(1)) / KIBIBYTE;
            }
        } catch (IOException e) {
            return runtime.maxMemory() / KIBIBYTE / KIBIBYTE;
        }
        return runtime.maxMemory() / KIBIBYTE / KIBIBYTE;
    }
}
