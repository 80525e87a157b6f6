import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Derby: a row whose transaction was committed is kept. */
public final class Program implements StoreProgram {
    private static final int ROWS = 4;

    private static Connection open(Path directory) throws SQLException {
        return new org.apache.derby.iapi.jdbc.AutoloadedDriver().connect("jdbc:derby:DIR/db;create=true".replace("DIR", directory.toString()), new Properties());
    }

    private static void close(Path directory, Connection connection) throws SQLException {
        if (!connection.isClosed()) {
            connection.rollback();
            connection.close();
        }
        try {
            new org.apache.derby.iapi.jdbc.AutoloadedDriver().connect("jdbc:derby:" + directory + "/db;shutdown=true", new Properties());
        } catch (SQLException e) {
            // It tells that it has shut down by this exception.
        }
    }

    @Override
    public void prepare(Path directory) throws SQLException {
        Connection connection = open(directory);
        try (Statement statement = connection.createStatement()) {
            statement.execute("create table t (id int primary key, text varchar(100))");
        }
        close(directory, connection);
    }

    @Override
    public void work(Path directory, List<String> acknowledged) throws SQLException {
        Connection connection = open(directory);
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            for (int i = 0; i < ROWS; i++) {
                statement.execute("insert into t values (" + i + ", 'text')");
                connection.commit();
                acknowledged.add("" + i);
            }
        }
        close(directory, connection);
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws SQLException {
        Connection connection = open(directory);
        List<String> found = new ArrayList<>();
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("select id from t")) {
            while (rows.next()) {
                found.add(rows.getString(1));
            }
        } finally {
            close(directory, connection);
        }
        if (!found.containsAll(acknowledged)) {
            throw new AssertionError("committed " + acknowledged + ", found " + found);
        }
    }
}
