import io.blkmq.stores.SqlProgram;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.hsqldb.jdbc.JDBCDriver;

/** HSQLDB without its write delay, and without the lock that a crashed process holds for ten seconds. */
public final class Program extends SqlProgram {
    @Override
    protected Connection open(Path directory) throws SQLException {
        return new JDBCDriver().connect("jdbc:hsqldb:file:" + directory + "/db;hsqldb.write_delay=false;hsqldb.full_log_replay=true;hsqldb.lock_file=false",
                new Properties());
    }

    @Override
    protected void close(Path directory, Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("shutdown");
        }
        connection.close();
    }
}
