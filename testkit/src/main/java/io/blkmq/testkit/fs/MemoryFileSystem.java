package io.blkmq.testkit.fs;

import io.blkmq.testkit.provider.MemoryFileSystemProvider;
import io.blkmq.testkit.tree.FileTree;
import java.nio.file.FileSystem;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Makes file systems in memory, for programs that use {@code java.nio.file}. They behave as the JDK's own file system does on Linux:
 * links, permissions, sparse files, locks, open files without a name, directories that can be opened to be synced, and the same
 * exceptions. {@link FileSystem#close} closes all that is open and frees the memory.
 *
 * <pre>{@code
 * try (FileSystem memory = MemoryFileSystem.create("example")) {
 *     Files.writeString(memory.getPath("/greeting"), "hello");
 * }
 * }</pre>
 *
 * <p>What it has not: watch services; paths for {@code java.io.File}; mapped memory that is written, as no file system in the same JVM
 * can see that. Each is refused with its reason. Reading does not change a file's time of last access.
 *
 * <p>Immutable once built; the file systems are thread-safe.
 *
 * @since 0.1.0
 */
public final class MemoryFileSystem {
    /** A file system has so much capacity unless it is chosen. */
    public static final long DEFAULT_CAPACITY_BYTES = 1L << 30;

    private MemoryFileSystem() {}

    /**
     * An empty file system with the defaults of the {@link Builder}.
     *
     * @param name by which URIs name it: letters and digits, and within them dots and hyphens
     * @return to be closed, after which the name is free again
     * @throws java.nio.file.FileSystemAlreadyExistsException if an open file system has the name
     * @throws IllegalArgumentException if it is no name
     */
    public static FileSystem create(String name) {
        return builder(name).build();
    }

    /**
     * Begins a file system.
     *
     * @param name by which URIs name it, as {@code blkmq-crash://name/path}: letters and digits, and within them dots and hyphens
     * @return with the defaults: {@link #DEFAULT_CAPACITY_BYTES}, files cannot be mapped, an ordinary user, the clock of the machine
     */
    public static Builder builder(String name) {
        return new Builder(name);
    }

    /**
     * What a file system is to be like. For one thread.
     *
     * @since 0.1.0
     */
    public static final class Builder {
        private final String name;
        private long capacityBytes = DEFAULT_CAPACITY_BYTES;
        private LongSupplier clock = Builder::machineNanos;
        private boolean mapsByCopy;
        private int user = MemoryFileSystemProvider.USER;

        private Builder(String name) {
            this.name = Objects.requireNonNull(name, "name");
        }

        private static long machineNanos() {
            Instant now = Instant.now();
            return TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano();
        }

        /**
         * Bounds the data. A write that does not fit fails as on a full disk.
         *
         * @param bytes of data, in pages of 4096; names cost nothing
         * @return this
         * @throws IllegalArgumentException if it is negative or more than a tebibyte
         */
        public Builder capacityBytes(long bytes) {
            if (bytes < 0 || bytes > FileTree.CAPACITY_BYTES_MAX) {
                throw new IllegalArgumentException(
                        "capacityBytes " + bytes + ": 0 to " + FileTree.CAPACITY_BYTES_MAX + " are possible");
            }
            this.capacityBytes = bytes;
            return this;
        }

        /**
         * Chooses the clock that gives files their times.
         *
         * @param nanosSince1970 called by any thread
         * @return this
         */
        public Builder clock(LongSupplier nanosSince1970) {
            this.clock = Objects.requireNonNull(nanosSince1970, "nanosSince1970");
            return this;
        }

        /**
         * Lets files be mapped by {@code READ_ONLY} and {@code PRIVATE}, or refuses it. The memory has what the file had when it was
         * mapped, and does not follow later writes. {@code READ_WRITE} is refused in any case.
         *
         * @param allowed whether they can be mapped
         * @return this
         */
        public Builder mapByCopy(boolean allowed) {
            this.mapsByCopy = allowed;
            return this;
        }

        /**
         * Lets the program do what the superuser may: permissions do not hold it up. Otherwise it is an ordinary user, to whom the root
         * directory belongs.
         *
         * @return this
         */
        public Builder superuser() {
            this.user = 0;
            return this;
        }

        /**
         * Makes it.
         *
         * @return empty, to be closed
         * @throws java.nio.file.FileSystemAlreadyExistsException if an open file system has the name
         * @throws IllegalArgumentException if the name is none
         */
        public FileSystem build() {
            FileTree tree = new FileTree(capacityBytes, clock, user, user);
            return MemoryFileSystemProvider.newFileSystem(name, tree, user, user, mapsByCopy);
        }
    }
}
