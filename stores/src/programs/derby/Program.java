import io.blkmq.stores.SqlProgram;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import org.apache.derby.iapi.jdbc.AutoloadedDriver;

/** Derby. */
public final class Program extends SqlProgram {
    @Override
    protected Connection open(Path directory) throws SQLException {
        return new AutoloadedDriver().connect("jdbc:derby:" + directory + "/db;create=true", new Properties());
    }

    @Override
    protected void close(Path directory, Connection connection) throws SQLException {
        if (!connection.isClosed()) {
            connection.rollback();
            connection.close();
        }
        try {
            new AutoloadedDriver().connect("jdbc:derby:" + directory + "/db;shutdown=true", new Properties());
        } catch (SQLException e) {
            // It tells that it has shut down by this exception.
        }
    }
}
