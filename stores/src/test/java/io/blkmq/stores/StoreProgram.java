package io.blkmq.stores;

import java.nio.file.Path;
import java.util.List;

/**
 * A small program on somebody's store: it writes, and it looks whether what the store has promised is there. One source serves several
 * releases of the store: it is compiled against each.
 */
public interface StoreProgram {
    /**
     * Makes the store, durably, where that is not part of the work.
     *
     * @param directory of the store's files
     * @throws Exception if the store fails
     */
    default void prepare(Path directory) throws Exception {}

    /**
     * Writes.
     *
     * @param directory of the store's files
     * @param acknowledged takes what the store has promised to keep, once it has
     * @throws Exception if the store fails without a crash
     */
    void work(Path directory, List<String> acknowledged) throws Exception;

    /**
     * Opens the store after a crash, looks, and closes it.
     *
     * @param directory what the crash has left
     * @param acknowledged what had been promised
     * @throws Exception if the store does not open
     * @throws AssertionError if something promised is missing
     */
    void check(Path directory, List<String> acknowledged) throws Exception;
}
