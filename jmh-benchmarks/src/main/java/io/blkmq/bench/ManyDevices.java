package io.blkmq.bench;

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
import java.util.stream.Stream;

/**
 * What many loop devices in one process cost: threads, descriptors, resident memory, and how long it takes to open and to close them.
 * Arguments are {@code name=value}: {@code directory} for the files, {@code devices}, {@code engine}, {@code polled}.
 */
public final class ManyDevices {
    private static final int BLOCK_BYTES = 4096;
    private static final int FILE_BYTES = 1 << 20;

    private ManyDevices() {}

    /**
     * Runs it, and prints one line.
     *
     * @param arguments see above
     * @throws Exception if a device fails
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(
                Map.of("devices", "1000", "engine", "io_uring", "polled", "false", "directory", "/dev/shm"));
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
            long closing = System.nanoTime();
            devices.forEach(LoopDevice::close);
            long closed = System.nanoTime();
            devices.clear();
            System.out.printf("%d devices on %s: opened in %.2f s, %s, closed in %.2f s%n", count,
                    options.get("engine"), (opened - began) / 1e9, cost, (closed - closing) / 1e9);
        } finally {
            devices.forEach(LoopDevice::close);
            for (int i = 0; i < count; i++) {
                Files.deleteIfExists(directory.resolve(i + ".img"));
            }
            Files.delete(directory);
        }
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
