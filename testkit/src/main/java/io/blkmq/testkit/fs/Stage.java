package io.blkmq.testkit.fs;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Where a workload runs while its changes are recorded, and where the states that crashes leave are shown to its check. */
interface Stage extends AutoCloseable {
    System.Logger LOG = System.getLogger(CrashTest.class.getName());

    /** The directory of the workload; those of images have a number behind it. */
    String WORKPLACE = "store";

    /** So much fits into the files of a workload. */
    long CAPACITY_BYTES = 1L << 34;

    /** The time of the files. */
    static long now() {
        return TimeUnit.MILLISECONDS.toNanos(System.currentTimeMillis());
    }

    /** The directory of the workload. */
    Path workplace();

    /** From here on changes are recorded; the files of now survive each crash. */
    void record() throws IOException;

    /**
     * Notes in the record that the workload has acknowledged something.
     *
     * @param count how many acknowledgements there are
     */
    void acknowledge(int count);

    /** Ends the record: what the workload does later is not in it. */
    Recording end() throws IOException;

    /**
     * Shows an image.
     *
     * @param image what a crash has left; its own
     * @param number of the showing, from 1
     * @return to be closed
     */
    Showing show(FileTree image, int number) throws IOException;

    @Override
    void close();

    /**
     * What a workload has done.
     *
     * @param before the files when the record began
     * @param changes of them, in order
     */
    record Recording(FileTree before, List<Change> changes) {}

    /** An image that is shown. */
    interface Showing extends AutoCloseable {
        /** The directory that was the workload's; by another name in each showing, for programs that remember names. */
        Path directory();

        /** Files that are open. */
        List<String> openFiles() throws IOException;

        @Override
        void close() throws IOException;
    }
}
