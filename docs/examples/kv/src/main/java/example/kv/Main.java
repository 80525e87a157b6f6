package example.kv;

import io.blkmq.core.IoGroup;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A key-value log in an image file, which is made where there is none. */
final class Main {
    private static final long IMAGE_BYTES = 64 << 20;
    private static final int LOAD_KEYS = 1000;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 2) {
            System.err.println("usage: IMAGE put KEY VALUE | get KEY | remove KEY | keys | load THREADS PUTS");
            System.exit(2);
        }
        LoopConfig config = LoopConfig.builder(Path.of(arguments[0])).blockBytes(4096).createBytes(IMAGE_BYTES).build();
        try (LoopDevice device = LoopDevice.attach(config); KeyValueLog log = KeyValueLog.open(device.disk())) {
            switch (arguments[1]) {
                case "put" -> log.put(bytes(arguments[2]), bytes(arguments[3]));
                case "get" -> {
                    byte[] value = log.get(bytes(arguments[2]));
                    IO.println(value == null ? "no such key" : new String(value, StandardCharsets.UTF_8));
                }
                case "remove" -> log.remove(bytes(arguments[2]));
                case "keys" -> log.keys().stream().map(key -> new String(key, StandardCharsets.UTF_8)).sorted().forEach(IO::println);
                case "load" -> load(device, log, Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
                default -> throw new IllegalArgumentException(arguments[1] + ": put, get, remove, keys and load are possible");
            }
        }
    }

    /** Durable puts of many threads: tells how many, and in how many writes. */
    private static void load(LoopDevice device, KeyValueLog log, int threads, int puts) throws Exception {
        byte[] value = new byte[100];
        long writes = device.disk().statistics().ios(IoGroup.WRITE);
        long start = System.nanoTime();
        try (var executor = Executors.newFixedThreadPool(threads)) {
            List<Callable<Void>> tasks = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int thread = t;
                tasks.add(() -> put(log, thread, puts / threads, value));
            }
            for (Future<Void> task : executor.invokeAll(tasks)) {
                task.get();
            }
        }
        long rate = puts * 1_000_000_000L / (System.nanoTime() - start);
        IO.println(puts / threads * threads + " durable puts of " + threads + " threads: " + rate + " a second, "
                + (device.disk().statistics().ios(IoGroup.WRITE) - writes) + " writes");
        // The same for bench/ratio.
        IO.println("{\"jobs\": [{\"write\": {\"iops\": " + rate + "}}]}");
    }

    private static Void put(KeyValueLog log, int thread, int puts, byte[] value) throws IOException {
        for (int i = 0; i < puts; i++) {
            log.put(bytes("load-" + thread + "-" + i % LOAD_KEYS), value);
        }
        return null;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
