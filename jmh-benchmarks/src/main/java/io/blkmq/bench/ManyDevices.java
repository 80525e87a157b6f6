package io.blkmq.bench;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.stream.Stream;

/**
 * What many loop devices in one process cost: threads, descriptors, resident memory, how long it takes to open and to close them, and how many reads a
 * second they do, 64 of them in flight. Arguments are {@code name=value}: {@code directory} for the files, {@code devices}, {@code engine}, {@code polled},
 * {@code runtime} of the reads in seconds, 0 for none, {@code json=true} for figures as fio's JSON has them.
 */
public final class ManyDevices {
    private static final int BLOCK_BYTES = 4096;
    private static final int FILE_BYTES = 1 << 20;
    private static final int IN_FLIGHT = 64;
    private static final long WARM_UP_NANOS = 1_000_000_000L;

    private ManyDevices() {}

    /**
     * Runs it, and prints one line.
     *
     * @param arguments see above
     * @throws Exception if a device fails
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(Map.of("devices", "1000", "engine", "io_uring", "polled", "false",
                "directory", "/dev/shm", "runtime", "0", "json", "false"));
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 0) {
                throw new IllegalArgumentException("'" + argument + "': name=value is expected");
            }
            options.put(argument.substring(0, at), argument.substring(at + 1));
        }
        int count = Integer.parseInt(options.get("devices"));
        Path directory = Files.createTempDirectory(Path.of(options.get("directory")), "blkmq-many");
        List<LoopDevice> devices = new ArrayList<>();
        try {
            byte[] content = new byte[FILE_BYTES];
            for (int i = 0; i < count; i++) {
                Files.write(directory.resolve(i + ".img"), content);
            }
            int descriptorsBefore = descriptors();
            long began = System.nanoTime();
            for (int i = 0; i < count; i++) {
                devices.add(LoopDevice.attach(LoopConfig.builder(directory.resolve(i + ".img"))
                        .engine(options.get("engine")).polled(Boolean.parseBoolean(options.get("polled"))).build()));
            }
            long opened = System.nanoTime();
            try (IoBuffer buffer = IoBuffer.allocate(BLOCK_BYTES)) {
                for (LoopDevice device : devices) {
                    device.disk().write(0, buffer.memory());
                    device.disk().read(0, buffer.memory());
                }
            }
            String cost = "threads " + status("Threads") + ", descriptors " + (descriptors() - descriptorsBefore)
                    + ", resident " + status("VmRSS");
            String resident = status("VmRSS").replaceAll("\\D", "");
            String threads = status("Threads");
            double rate = rate(devices, Double.parseDouble(options.get("runtime")));
            long closing = System.nanoTime();
            devices.forEach(LoopDevice::close);
            long closed = System.nanoTime();
            devices.clear();
            if (Boolean.parseBoolean(options.get("json"))) {
                System.out.printf(
                        "{\"jobs\": [{\"read\": {\"iops\": %.1f}, \"process\": {\"resident\": %s000, \"threads\": %s, \"open\": %.4f, "
                                + "\"close\": %.4f}}]}%n",
                        rate, resident, threads, (opened - began) / 1e9, (closed - closing) / 1e9);
            } else {
                System.out.printf("%d devices on %s: opened in %.2f s, %s, closed in %.2f s, %.0f reads a second%n",
                        count, options.get("engine"), (opened - began) / 1e9, cost, (closed - closing) / 1e9, rate);
            }
        } finally {
            devices.forEach(LoopDevice::close);
            for (int i = 0; i < count; i++) {
                Files.deleteIfExists(directory.resolve(i + ".img"));
            }
            Files.delete(directory);
        }
    }

    /** Reads of 4 KiB a second: 64 in flight, each on the next device. The first second does not count. */
    private static double rate(List<LoopDevice> devices, double seconds) throws InterruptedException {
        if (seconds <= 0) {
            return 0;
        }
        // This thread submits all: a completion that submitted might never let it go on, where the read is done within the submission.
        ArrayBlockingQueue<Bio> idle = new ArrayBlockingQueue<>(IN_FLIGHT);
        List<IoBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < IN_FLIGHT; i++) {
            IoBuffer buffer = IoBuffer.allocate(BLOCK_BYTES);
            buffers.add(buffer);
            idle.add(new Bio().reset(Operation.READ, 0).add(buffer.memory(), 0, BLOCK_BYTES).onEnd(idle::add));
        }
        long began = System.nanoTime() + WARM_UP_NANOS;
        long end = began + (long) (seconds * 1e9);
        long counted = 0;
        int next = 0;
        for (long now = System.nanoTime(); now - end < 0; now = System.nanoTime()) {
            devices.get(next).disk().submit(idle.take().retarget(Operation.READ, 0));
            next = next + 1 < devices.size() ? next + 1 : 0;
            if (now - began >= 0) {
                counted++;
            }
        }
        for (int i = 0; i < IN_FLIGHT; i++) {
            Bio _ = idle.take();
        }
        buffers.forEach(IoBuffer::close);
        return counted / seconds;
    }

    private static int descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return (int) open.count();
        }
    }

    private static String status(String name) throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith(name + ":"))
                .map(line -> line.substring(name.length() + 1).strip()).findFirst().orElse("unknown");
    }
}
