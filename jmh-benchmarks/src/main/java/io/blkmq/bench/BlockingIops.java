package io.blkmq.bench;

import com.sun.management.OperatingSystemMXBean;
import io.blkmq.core.Disk;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Random 4 KiB reads by threads that block, for a number of seconds; prints their rate as fio's JSON has it, so that the two can be
 * compared, and on the error stream what a read costs of the processors. Arguments are {@code name=value}: {@code file}; {@code with}, {@code loop} for a loop device or {@code file-channel};
 * {@code threads}, {@code kind=virtual|platform}, {@code direct}, {@code engine} of the loop device, {@code runtime} in seconds.
 */
public final class BlockingIops {
    private static final int BLOCK_BYTES = 4096;
    private static final long WARM_UP_NANOS = 1_500_000_000L;

    private BlockingIops() {}

    /** Something that can be read from anywhere. */
    @FunctionalInterface
    private interface Source {
        void read(long offset, IoBuffer buffer) throws IOException;
    }

    /**
     * Runs it.
     *
     * @param arguments see above
     * @throws Exception if that fails
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(
                Map.of("with", "loop", "threads", "64", "kind", "virtual", "direct", "true", "runtime", "3"));
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 0) {
                throw new IllegalArgumentException("'" + argument + "': name=value is expected");
            }
            options.put(argument.substring(0, at), argument.substring(at + 1));
        }
        Path file = Path.of(required(options, "file"));
        boolean direct = Boolean.parseBoolean(options.get("direct"));
        double iops;
        if ("file-channel".equals(options.get("with"))) {
            try (FileChannel channel = FileChannel.open(file, FileChannelReads.options(direct))) {
                iops = rate(options, channel.size(), (offset, buffer) -> {
                    ByteBuffer bytes = buffer.memory().asByteBuffer();
                    if (channel.read(bytes, offset) != BLOCK_BYTES) {
                        throw new IOException("short read at " + offset);
                    }
                });
            }
        } else {
            LoopConfig.Builder config = LoopConfig.builder(file).readOnly(true).direct(direct);
            if (options.containsKey("engine")) {
                config.engine(required(options, "engine"));
            }
            try (LoopDevice device = LoopDevice.attach(config.build())) {
                Disk disk = device.disk();
                System.err.println(device);
                iops = rate(options, disk.sizeBytes(), (offset, buffer) -> disk.read(offset, buffer.memory()));
            }
        }
        System.out.printf("{\"jobs\": [{\"read\": {\"iops\": %.1f}}]}%n", iops);
    }

    private static String required(Map<String, String> options, String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + "= is missing");
        }
        return value;
    }

    private static double rate(Map<String, String> options, long bytes, Source subject) throws Exception {
        int threads = Integer.parseInt(required(options, "threads"));
        long runtime = (long) (Double.parseDouble(required(options, "runtime")) * 1e9);
        AtomicLong counted = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        CountDownLatch ended = new CountDownLatch(threads);
        long began = System.nanoTime() + WARM_UP_NANOS;
        for (int t = 0; t < threads; t++) {
            long seed = t + 1L;
            Runnable body = () -> {
                try (IoBuffer buffer = IoBuffer.allocate(BLOCK_BYTES)) {
                    counted.addAndGet(read(subject, buffer, seed, bytes / BLOCK_BYTES, began, began + runtime));
                } catch (IOException e) {
                    failed.incrementAndGet();
                    System.err.println(e);
                } finally {
                    ended.countDown();
                }
            };
            Thread thread = "virtual".equals(options.get("kind"))
                    ? Thread.ofVirtual().start(body)
                    : Thread.ofPlatform().start(body);
            thread.setName("reader-" + t);
        }
        long processorBegan = processorNanosAt(began);
        long processor = processorNanosAt(began + runtime) - processorBegan;
        ended.await();
        if (failed.get() > 0) {
            throw new IOException(failed + " threads failed");
        }
        System.err.printf("%.2f us of the processors a read%n", processor / 1e3 / Math.max(1, counted.get()));
        return counted.get() * 1e9 / runtime;
    }

    /** What the process has used of the processors at a time that is to come. */
    private static long processorNanosAt(long nanoTime) throws InterruptedException {
        TimeUnit.NANOSECONDS.sleep(nanoTime - System.nanoTime());
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
    }

    /** Reads until the end, and counts what lies between the two. */
    private static long read(Source subject, IoBuffer buffer, long seed, long blocks, long begin, long end)
            throws IOException {
        long random = seed * 0x9E3779B97F4A7C15L;
        long count = 0;
        for (;;) {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            subject.read(Math.unsignedMultiplyHigh(random, blocks) * BLOCK_BYTES, buffer);
            long now = System.nanoTime();
            if (now - end >= 0) {
                return count;
            }
            if (now - begin >= 0) {
                count++;
            }
        }
    }
}
