package io.blkmq.stores;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** A program on a database in the process: a row whose transaction was committed is kept. */
public abstract class SqlProgram implements StoreProgram {
    private static final int ROWS = 4;

    /** For a database. */
    protected SqlProgram() {}

    /**
     * Opens the database, or makes it.
     *
     * @param directory of its files
     * @return a connection
     * @throws SQLException if it does not open
     */
    protected abstract Connection open(Path directory) throws SQLException;

    /**
     * Closes the database.
     *
     * @param directory of its files
     * @param connection the only one
     * @throws SQLException if it does not close
     */
    protected abstract void close(Path directory, Connection connection) throws SQLException;

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
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("select id from t")) {
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
