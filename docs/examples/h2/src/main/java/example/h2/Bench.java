package example.h2;

import com.sun.management.OperatingSystemMXBean;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * A database by a prefix, and what it does in some seconds. The loads: {@code commits}, inserts that are durable one by one; {@code reads}, rows of 2 KB at
 * random out of 200 MB, with a cache of 4 MB; {@code fills}, inserts of rows of 2 KB, durable by thousands. Arguments: folder, prefix, load, threads,
 * seconds. Whatever the folder has of an earlier run is deleted.
 */
public final class Bench {
    private static final int ROW_BYTES = 2000;
    private static final int ROWS = 100_000;
    private static final long DISK_BYTES = 4L << 30;

    private Bench() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("usage: FOLDER nio|async|aio|direct|disk commits|reads|fills THREADS SECONDS");
            System.exit(2);
        }
        Path folder = Files.createDirectories(Path.of(arguments[0])).toAbsolutePath();
        String prefix = arguments[1];
        for (String name : List.of("bench.mv.db", "bench.trace.db", "disk.img")) {
            Files.deleteIfExists(folder.resolve(name));
        }
        Load load = Load.valueOf(arguments[2].toUpperCase(Locale.ROOT));
        int threads = Integer.parseInt(arguments[3]);
        long nanos = TimeUnit.SECONDS.toNanos(Integer.parseInt(arguments[4]));
        FilePathAio.register();
        if (prefix.equals("disk")) {
            try (LoopDevice device = LoopDevice
                    .attach(LoopConfig.builder(folder.resolve("disk.img")).blockBytes(4096).createBytes(DISK_BYTES).build())) {
                FilePathVolume.mount("bench", DiskVolume.open(device.disk()));
                measure(prefix, "jdbc:h2:disk:bench/bench", load, threads, nanos);
                FilePathVolume.unmount("bench");
            }
        } else {
            measure(prefix, "jdbc:h2:" + prefix + ":" + folder.resolve("bench"), load, threads, nanos);
        }
    }

    private enum Load {
        COMMITS, READS, FILLS
    }

    private static void measure(String prefix, String url, Load load, int threads, long nanos) throws Exception {
        String options = ";CACHE_SIZE=4096";
        try (Connection connection = DriverManager.getConnection(url + options); Statement statement = connection.createStatement()) {
            statement.execute("create table t(id bigint primary key, v varbinary)");
            if (load == Load.READS) {
                fill(connection);
                statement.execute("checkpoint sync");
            }
            OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
            long cpu = system.getProcessCpuTime();
            long start = System.nanoTime();
            long done = 0;
            try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
                List<Callable<Long>> tasks = new ArrayList<>();
                for (int t = 0; t < threads; t++) {
                    long first = (1L + t) << 40;
                    tasks.add(() -> {
                        try (Connection own = DriverManager.getConnection(url + options)) {
                            return run(own, load, first, start + nanos);
                        }
                    });
                }
                for (Future<Long> task : executor.invokeAll(tasks)) {
                    done += task.get();
                }
            }
            double elapsed = System.nanoTime() - start;
            double rate = done * 1e9 / elapsed;
            System.out.printf("%s: %.0f %s a second, %d threads; %.1f us of processor time each%n", prefix, rate, load.name().toLowerCase(Locale.ROOT),
                    threads, (system.getProcessCpuTime() - cpu) / 1e3 / done);
            // The same for bench/ratio.
            System.out.printf("{\"jobs\": [{\"%s\": {\"iops\": %.1f}}]}%n", load == Load.READS ? "read" : "write", rate);
            statement.execute("shutdown immediately");
        }
    }

    private static void fill(Connection connection) throws SQLException {
        SplittableRandom random = new SplittableRandom(1);
        byte[] value = new byte[ROW_BYTES];
        try (PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)")) {
            for (int i = 0; i < ROWS; i++) {
                random.nextBytes(value);
                insert.setLong(1, i);
                insert.setBytes(2, value);
                insert.execute();
            }
        }
    }

    private static long run(Connection connection, Load load, long first, long end) throws SQLException {
        SplittableRandom random = new SplittableRandom(first);
        byte[] value = new byte[load == Load.COMMITS ? 100 : ROW_BYTES];
        long done = 0;
        try (PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)");
                PreparedStatement select = connection.prepareStatement("select v from t where id = ?");
                Statement statement = connection.createStatement()) {
            while (System.nanoTime() - end < 0) {
                if (load == Load.READS) {
                    select.setLong(1, random.nextLong(ROWS));
                    try (ResultSet row = select.executeQuery()) {
                        if (!row.next() || row.getBytes(1).length != ROW_BYTES) {
                            throw new IllegalStateException("a row is missing");
                        }
                    }
                } else {
                    random.nextBytes(value);
                    insert.setLong(1, first + done);
                    insert.setBytes(2, value);
                    insert.execute();
                    if (load == Load.COMMITS || done % 1000 == 999) {
                        statement.execute("checkpoint sync");
                    }
                }
                done++;
            }
        }
        return done;
    }
}
