import org.jspecify.annotations.NullMarked;

/**
 * Storage that fails on command: {@link io.blkmq.testkit.disk a disk with faults and power cuts}, {@link io.blkmq.testkit.fs a file
 * system whose machine crashes}, and {@link io.blkmq.testkit.junit their JUnit tests}. For tests of any Java program that stores data.
 */
@NullMarked module io.blkmq.testkit {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;
    requires transitive io.blkmq.sim;
    requires static transitive org.junit.jupiter.api;
    requires static transitive org.assertj.core;
    requires static org.junit.platform.commons;

    exports io.blkmq.testkit;
    exports io.blkmq.testkit.disk;
    exports io.blkmq.testkit.fs;
    exports io.blkmq.testkit.junit;

    // JUnit makes extensions by reflection.
    opens io.blkmq.testkit.junit to org.junit.platform.commons;

    provides java.nio.file.spi.FileSystemProvider with io.blkmq.testkit.provider.MemoryFileSystemProvider;
}
