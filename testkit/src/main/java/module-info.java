import org.jspecify.annotations.NullMarked;

/**
 * Storage that fails on command: {@link io.blkmq.testkit.disk a disk with faults and power cuts}, {@link io.blkmq.testkit.fs a file
 * system whose machine crashes}, and {@link io.blkmq.testkit.junit their JUnit tests}. For tests of any Java program that stores data.
 */
@NullMarked module io.blkmq.testkit {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;
    requires transitive io.blkmq.sim;
    // Not static: then a recording that begins later would find that the module is not there.
    requires jdk.jfr;
    // Only io.blkmq.testkit.junit needs these, and who uses that has them: a program without them must not be asked for them.
    requires static org.junit.jupiter.api;
    requires static org.junit.platform.commons;
    requires static org.assertj.core;

    exports io.blkmq.testkit;
    exports io.blkmq.testkit.disk;
    exports io.blkmq.testkit.fs;
    exports io.blkmq.testkit.junit;

    // JUnit makes extensions by reflection.
    opens io.blkmq.testkit.junit to org.junit.platform.commons;

    provides java.nio.file.spi.FileSystemProvider with io.blkmq.testkit.provider.MemoryFileSystemProvider;
}
