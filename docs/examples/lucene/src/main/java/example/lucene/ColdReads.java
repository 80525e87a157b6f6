package example.lucene;

import com.sun.management.OperatingSystemMXBean;
import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.lucene.store.DataAccessHint;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.IOContext;
import org.apache.lucene.store.IndexInput;
import org.apache.lucene.store.IndexOutput;
import org.apache.lucene.store.MMapDirectory;
import org.apache.lucene.store.NIOFSDirectory;

/**
 * Random reads of a file that is not in memory, in batches: as of stored fields of the best hits, or of vectors that are ranked again. Arguments: folder,
 * way (aio, aio-alone, nio, mmap, mmap-prefetch), bytes of a read, reads of a batch, threads, seconds, and MiB of the file, which is made once.
 */
public final class ColdReads {
    private static final int FILE_MIB = 2048;
    private static final String NAME = "cold.bin";

    private ColdReads() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 6) {
            System.err.println("usage: FOLDER aio|aio-alone|nio|mmap|mmap-prefetch BYTES BATCH THREADS SECONDS [MIB]");
            System.exit(2);
        }
        Path folder = Files.createDirectories(Path.of(arguments[0]));
        String way = arguments[1];
        int bytes = Integer.parseInt(arguments[2]);
        int batch = Integer.parseInt(arguments[3]);
        int threads = Integer.parseInt(arguments[4]);
        long nanos = TimeUnit.SECONDS.toNanos(Integer.parseInt(arguments[5]));
        long fileBytes = (long) (arguments.length > 6 ? Integer.parseInt(arguments[6]) : FILE_MIB) << 20;
        try (AioEngine engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "libaio", "channel")) {
            try (Directory directory = new AioDirectory(folder, engine)) {
                if (!List.of(directory.listAll()).contains(NAME) || directory.fileLength(NAME) != fileBytes) {
                    make(directory, fileBytes);
                }
            }
            try (AioFile file = engine.open(folder.resolve(NAME), AioFile.Access.READ_ONLY, false)) {
                file.dropPageCache();
            }
            try (Directory directory = open(way, folder, engine);
                    IndexInput input = directory.openInput(NAME, IOContext.DEFAULT.withHints(DataAccessHint.RANDOM))) {
                measure(way, input, bytes, batch, threads, nanos);
            }
        }
    }

    private static Directory open(String way, Path folder, AioEngine engine) throws IOException {
        return switch (way) {
            case "aio", "aio-alone" -> new AioDirectory(folder, engine);
            case "nio" -> new NIOFSDirectory(folder);
            case "mmap", "mmap-prefetch" -> new MMapDirectory(folder);
            default -> throw new IllegalArgumentException(way + ": aio, aio-alone, nio, mmap and mmap-prefetch are possible");
        };
    }

    private static void make(Directory directory, long fileBytes) throws IOException {
        if (List.of(directory.listAll()).contains(NAME)) {
            directory.deleteFile(NAME);
        }
        byte[] part = new byte[1 << 20];
        SplittableRandom random = new SplittableRandom(1);
        try (IndexOutput output = directory.createOutput(NAME, IOContext.DEFAULT)) {
            for (long done = 0; done < fileBytes; done += part.length) {
                random.nextBytes(part);
                output.writeBytes(part, part.length);
            }
        }
        directory.sync(List.of(NAME));
        directory.syncMetaData();
    }

    private static void measure(String way, IndexInput input, int bytes, int batch, int threads, long nanos) throws Exception {
        boolean prefetch = way.equals("aio") || way.equals("mmap-prefetch");
        int[] places = inAnyOrder(Math.toIntExact(input.length() / bytes), System.nanoTime());
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        long start = System.nanoTime();
        long reads = 0;
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            List<Callable<Long>> tasks = new ArrayList<>();
            AtomicInteger next = new AtomicInteger();
            for (int t = 0; t < threads; t++) {
                IndexInput mine = input.clone();
                tasks.add(() -> read(mine, prefetch, bytes, batch, places, next, start + nanos));
            }
            for (Future<Long> task : executor.invokeAll(tasks)) {
                reads += task.get();
            }
        }
        double elapsed = System.nanoTime() - start;
        double rate = reads * 1e9 / elapsed;
        System.out.printf("%s: %.0f reads a second of %d bytes, %d a batch, %d threads; %.1f us a read, %.1f us of processor time%n", way, rate,
                bytes, batch, threads, elapsed / 1e3 / reads, (system.getProcessCpuTime() - cpu) / 1e3 / reads);
        // The same for bench/ratio.
        System.out.printf("{\"jobs\": [{\"read\": {\"iops\": %.1f}}]}%n", rate);
    }

    private static int[] inAnyOrder(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int[] places = new int[count];
        for (int i = 0; i < count; i++) {
            int other = random.nextInt(i + 1);
            places[i] = places[other];
            places[other] = i;
        }
        return places;
    }

    /** Each place is read once at the most, by one of the threads: a second read might find it in memory. */
    private static long read(IndexInput input, boolean prefetch, int bytes, int batch, int[] places, AtomicInteger next, long end)
            throws IOException {
        byte[] target = new byte[bytes];
        long reads = 0;
        while (System.nanoTime() - end < 0) {
            int first = next.getAndAdd(batch);
            if (first > places.length - batch) {
                break;
            }
            for (int i = first; prefetch && i < first + batch; i++) {
                input.prefetch((long) places[i] * bytes, bytes);
            }
            for (int i = first; i < first + batch; i++) {
                input.seek((long) places[i] * bytes);
                input.readBytes(target, 0, bytes);
            }
            reads += batch;
        }
        return reads;
    }
}
