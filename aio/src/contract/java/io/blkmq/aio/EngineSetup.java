package io.blkmq.aio;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Path;

/**
 * One way to run the contract: an engine and how it is configured, and where and how its files are opened. Each module with an engine has a class
 * {@code EngineSetups} that lists its own.
 */
interface EngineSetup {
    String engine();

    CompletionMode mode();

    boolean direct();

    /** Where its files are, for messages. */
    Object place();

    /** Skips the test, saying why, where the engine does not work here. */
    void assumeAvailable() throws IOException;

    AioEngine open(AioEngineConfig.Builder builder) throws IOException;

    /** Makes a file that holds bytes, and returns its name. */
    Path make(byte[] content) throws IOException;

    /** The file is not needed any more; it is closed, and may be gone. */
    void remove(Path path) throws IOException;

    /** A name like that of a file, of a file that there is not; "missing" is a part of it. */
    default Path missing(Path path) {
        return path.resolveSibling(path.getFileName() + ".missing");
    }

    /** Skips the test where the machine lacks what it needs, and says so. */
    static void skipIf(boolean condition, String reason) {
        if (condition) {
            System.out.println("skipped: " + reason);
        }
        assumeFalse(condition, reason);
    }

    // What a test may ask of a setup.

    /** All but the null engine. */
    default boolean movesData() {
        return !engine().equals("null");
    }

    default boolean isPolled() {
        return mode() == CompletionMode.POLLED;
    }

    /** Completions are called by a thread other than the test's. */
    default boolean hasReaper() {
        return !isPolled();
    }

    /** Operations stay in flight until commit; some engines end them inside submit, some may take them before. */
    boolean holdsUntilCommit();

    /** A commit enters the kernel. */
    boolean hasDoorbell();

    /** Allocates, zeroes and punches holes, where the file system does. */
    boolean carriesOutRanges();

    /** Its files are those of the file system: they grow, and have a name there. */
    boolean isOfFileSystem();

    /** What is written is in the file system's file. */
    default boolean isWrittenThrough() {
        return isOfFileSystem() && !isMemory();
    }

    boolean isNative();

    default boolean isMemory() {
        return engine().equals("memory");
    }
}
