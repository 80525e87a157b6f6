package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.FileTree;
import java.nio.file.attribute.FileTime;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Times of the two kinds. */
final class FileTimes {
    private FileTimes() {}

    static FileTime of(long nanos) {
        return FileTime.from(nanos, TimeUnit.NANOSECONDS);
    }

    /** The nearest that a tree has, to within 292 years of 1970; {@link FileTree#TIME_KEPT} for null. */
    static long nanos(@Nullable FileTime time) {
        return time == null ? FileTree.TIME_KEPT : Math.max(time.to(TimeUnit.NANOSECONDS), FileTree.TIME_NOW + 1);
    }
}
