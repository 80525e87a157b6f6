package example.h2;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.testkit.disk.CrashExplorer;
import io.blkmq.testkit.disk.SimulatedDisk;
import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.junit.PowerCuts;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What H2 has made durable is there after a crash: of the machine with its files, and of a disk's power. */
@Timeout(300)
class CrashesTest {
    private static final int ROWS = 5;
    private static final AtomicInteger VOLUMES = new AtomicInteger();

    private static void prepare(String url) throws Exception {
        try (Connection connection = DriverManager.getConnection(url); Statement statement = connection.createStatement()) {
            statement.execute("create table t(id int primary key, v varchar)");
            statement.execute("shutdown");
        }
    }

    private static void work(String url, List<Integer> acknowledged) throws Exception {
        try (Connection connection = DriverManager.getConnection(url);
                PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)");
                Statement statement = connection.createStatement()) {
            for (int i = 0; i < ROWS; i++) {
                insert.setInt(1, i);
                insert.setString(2, "v" + i);
                insert.execute();
                statement.execute("checkpoint sync");
                acknowledged.add(i);
            }
            statement.execute("shutdown immediately");
        }
    }

    private static void check(String url, List<Integer> acknowledged) throws Exception {
        List<Integer> found = new ArrayList<>();
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("select id, v from t order by id")) {
            while (rows.next()) {
                assertThat(rows.getString(2)).isEqualTo("v" + rows.getInt(1));
                found.add(rows.getInt(1));
            }
        }
        assertThat(found.size()).isGreaterThanOrEqualTo(acknowledged.size());
        assertThat(found.subList(0, acknowledged.size())).isEqualTo(acknowledged);
    }

    private interface Body {
        void run(String url) throws Exception;
    }

    private static void onVolume(Disk disk, Body body) throws Exception {
        String name = "crash" + VOLUMES.incrementAndGet();
        FilePathVolume.mount(name, DiskVolume.open(disk));
        try {
            body.run("jdbc:h2:disk:" + name + "/test");
        } finally {
            FilePathVolume.unmount(name);
        }
    }

    @Test
    void theDisksPowerFails() throws Exception {
        var report = CrashExplorer.<Integer>on(SimulatedDisk.builder().capacityBytes(8 << 20)).states(4_000).time(Duration.ofMinutes(4))
                .prepared(disk -> onVolume(disk, CrashesTest::prepare))
                .run((disk, acknowledged) -> onVolume(disk, url -> work(url, acknowledged)))
                .check((disk, acknowledged) -> onVolume(disk, url -> check(url, acknowledged)));
        assertThat(report.checked()).isGreaterThan(50);
    }

    private static String url(Path directory) {
        FilePathAio.register();
        return "jdbc:h2:aio:" + directory.resolve("test");
    }

    @PowerCuts(model = {EXT4_ORDERED, XFS}, door = Door.FUSE, states = 300, seconds = 20)
    void theMachineCrashes(CrashTest<Integer> test) throws Exception {
        test.prepared(directory -> prepare(url(directory)))
                .run((directory, acknowledged) -> work(url(directory), acknowledged))
                .check((directory, acknowledged) -> check(url(directory), acknowledged));
    }
}
