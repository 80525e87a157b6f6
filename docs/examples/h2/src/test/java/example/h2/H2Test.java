package example.h2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.MVStore;
import org.h2.mvstore.MVStoreException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Databases by each prefix. */
@Timeout(300)
class H2Test {
    /** Not in memory, where direct I/O may be refused. */
    private Path folder;
    private LoopDevice device;

    @BeforeEach
    void open() throws IOException {
        folder = Files.createTempDirectory(Files.createDirectories(Path.of("target")), "h2").toAbsolutePath();
        device = LoopDevice.attach(LoopConfig.builder(folder.resolve("disk.img")).blockBytes(4096).createBytes(64 << 20).build());
        FilePathAio.register();
        FilePathVolume.mount("db", DiskVolume.open(device.disk()));
    }

    @AfterEach
    void close() throws IOException {
        FilePathVolume.unmount("db");
        device.close();
        try (var files = Files.walk(folder)) {
            for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    private String url(String prefix) {
        return "jdbc:h2:" + prefix + ":" + (prefix.equals("disk") ? "db/test" : folder.resolve("test"));
    }

    /** Rows that are put, changed and deleted at random, in transactions of which some are rolled back, in several openings. */
    @ParameterizedTest
    @ValueSource(strings = {"aio", "direct", "disk"})
    void aTableIsAsAMap(String prefix) throws Exception {
        Random random = new Random(1);
        TreeMap<Integer, String> model = new TreeMap<>();
        for (int opening = 0; opening < 4; opening++) {
            try (Connection connection = DriverManager.getConnection(url(prefix)); Statement statement = connection.createStatement()) {
                statement.execute("create table if not exists t(id int primary key, v varchar)");
                assertThat(content(statement)).isEqualTo(model);
                connection.setAutoCommit(false);
                for (int transaction = 0; transaction < 30; transaction++) {
                    TreeMap<Integer, String> changed = new TreeMap<>(model);
                    for (int i = 0; i < 50; i++) {
                        change(connection, random, changed);
                    }
                    if (random.nextInt(4) == 0) {
                        connection.rollback();
                    } else {
                        connection.commit();
                        model = changed;
                    }
                }
                statement.execute(opening == 1 ? "shutdown compact" : opening == 2 ? "shutdown defrag" : "checkpoint sync");
            }
        }
    }

    private static void change(Connection connection, Random random, TreeMap<Integer, String> model) throws SQLException {
        int id = random.nextInt(300);
        if (random.nextInt(3) == 0) {
            try (PreparedStatement delete = connection.prepareStatement("delete from t where id = ?")) {
                delete.setInt(1, id);
                delete.execute();
            }
            model.remove(id);
        } else {
            String value = "v".repeat(random.nextInt(3000)) + random.nextInt();
            try (PreparedStatement merge = connection.prepareStatement("merge into t values (?, ?)")) {
                merge.setInt(1, id);
                merge.setString(2, value);
                merge.execute();
            }
            model.put(id, value);
        }
    }

    private static TreeMap<Integer, String> content(Statement statement) throws SQLException {
        TreeMap<Integer, String> content = new TreeMap<>();
        try (ResultSet rows = statement.executeQuery("select id, v from t")) {
            while (rows.next()) {
                content.put(rows.getInt(1), rows.getString(2));
            }
        }
        return content;
    }

    @ParameterizedTest
    @ValueSource(strings = {"aio", "direct", "disk"})
    void manyThreadsCommit(String prefix) throws Exception {
        try (Connection connection = DriverManager.getConnection(url(prefix)); Statement statement = connection.createStatement()) {
            statement.execute("create table t(id int primary key, v varchar)");
            List<Thread> threads = new ArrayList<>();
            List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
            for (int t = 0; t < 8; t++) {
                int first = t * 1000;
                threads.add(Thread.startVirtualThread(() -> {
                    try (Connection own = DriverManager.getConnection(url(prefix));
                            PreparedStatement insert = own.prepareStatement("insert into t values (?, ?)")) {
                        for (int i = 0; i < 100; i++) {
                            insert.setInt(1, first + i);
                            insert.setString(2, "v".repeat(i));
                            insert.execute();
                        }
                    } catch (SQLException e) {
                        failures.add(e);
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(failures).isEmpty();
            statement.execute("shutdown");
        }
        try (Connection connection = DriverManager.getConnection(url(prefix)); Statement statement = connection.createStatement()) {
            assertThat(content(statement)).hasSize(800);
        }
    }

    /** By another prefix of the same files, too. */
    @ParameterizedTest
    @CsvSource({"aio,direct", "direct,nio", "nio,aio", "disk,disk"})
    void aStoreThatIsOpenIsNotOpenedTwice(String prefix, String other) {
        String name = prefix.equals("disk") ? "db/store" : folder.resolve("store").toString();
        try (MVStore open = MVStore.open(prefix + ":" + name)) {
            assertThat(open.isClosed()).isFalse();
            assertThatExceptionOfType(MVStoreException.class).isThrownBy(() -> MVStore.open(other + ":" + name).close())
                    .satisfies(e -> assertThat(e.getErrorCode()).isEqualTo(DataUtils.ERROR_FILE_LOCKED));
        }
        try (MVStore open = MVStore.open(other + ":" + name)) {
            assertThat(open.isClosed()).isFalse();
        }
    }
}
