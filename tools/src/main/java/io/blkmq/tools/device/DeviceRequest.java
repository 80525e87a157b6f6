package io.blkmq.tools.device;

import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.Location;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What the jobs that share a device need of it. Made by a {@link Builder}.
 *
 * @param name the device's name inside the command
 * @param backing what the user attached; empty for a temporary image
 * @param threads how many threads submit to it
 * @param depthTotal how many operations they have in flight together
 * @param engine the engine below a loop device
 * @param direct whether a loop device goes past the page cache
 * @param elevator what orders its requests
 * @param workers threads that do blocking I/O; 0 for the default
 * @param image the temporary image, where nothing is attached
 * @param reads whether a job reads what no job has written
 * @param writes whether a job changes it
 * @param mountedWrite whether it may be written although it is mounted
 * @param invalidates whether its pages are dropped from the page cache before
 * @param readsBack whether a job reads back what it has written
 * @param location where the jobs say so, for messages
 */
public record DeviceRequest(String name, Optional<Backing> backing, int threads, int depthTotal, EngineName engine,
        boolean direct, String elevator, int workers, ImageRequest image, boolean reads, boolean writes,
        boolean mountedWrite, boolean invalidates, boolean readsBack, Location location) {

    private DeviceRequest(Builder b) {
        this(b.name, Optional.ofNullable(b.backing), b.threads, b.depthTotal, b.engine, b.direct, b.elevator, b.workers,
                b.image, b.reads, b.writes, b.mountedWrite, b.invalidates, b.readsBack, b.location);
    }

    /**
     * Begins with one thread that has one operation in flight, reads and writes.
     *
     * @param name the device's name inside the command
     * @param location where it is asked for
     * @return a builder
     */
    public static Builder builder(String name, Location location) {
        return new Builder(name, location);
    }

    /** Collects what is needed. For one thread. */
    public static final class Builder {
        private final String name;
        private final Location location;
        private @Nullable Backing backing;
        private int threads = 1;
        private int depthTotal = 1;
        private EngineName engine = EngineName.PSYNC;
        private boolean direct;
        private String elevator = "none";
        private int workers;
        private ImageRequest image = ImageRequest.NONE;
        private boolean reads = true;
        private boolean writes = true;
        private boolean mountedWrite;
        private boolean invalidates;
        private boolean readsBack;

        private Builder(String name, Location location) {
            this.name = name;
            this.location = location;
        }

        /**
         * Sets what the user attached.
         *
         * @param value null for a temporary image
         * @return this
         */
        public Builder backing(@Nullable Backing value) {
            this.backing = value;
            return this;
        }

        /**
         * Sets who uses it.
         *
         * @param threadCount how many threads submit
         * @param inFlight how many operations they have in flight together
         * @return this
         */
        public Builder users(int threadCount, int inFlight) {
            this.threads = threadCount;
            this.depthTotal = inFlight;
            return this;
        }

        /**
         * Sets what is below a loop device.
         *
         * @param value the engine
         * @param pastCache whether it goes past the page cache
         * @return this
         */
        public Builder engine(EngineName value, boolean pastCache) {
            this.engine = value;
            this.direct = pastCache;
            return this;
        }

        /**
         * Sets what orders its requests.
         *
         * @param value the elevator
         * @return this
         */
        public Builder elevator(String value) {
            this.elevator = value;
            return this;
        }

        /**
         * Sets the threads that do blocking I/O.
         *
         * @param value 0 for the default
         * @return this
         */
        public Builder workers(int value) {
            this.workers = value;
            return this;
        }

        /**
         * Sets the temporary image.
         *
         * @param value where and how large
         * @return this
         */
        public Builder image(ImageRequest value) {
            this.image = value;
            return this;
        }

        /**
         * Sets what jobs do with it.
         *
         * @param doesRead whether a job reads what no job has written
         * @param doesWrite whether a job changes it
         * @return this
         */
        public Builder access(boolean doesRead, boolean doesWrite) {
            this.reads = doesRead;
            this.writes = doesWrite;
            return this;
        }

        /**
         * Sets whether a block device may be written although it is mounted.
         *
         * @param value true if a job says so
         * @return this
         */
        public Builder mountedWrite(boolean value) {
            this.mountedWrite = value;
            return this;
        }

        /**
         * Sets whether pages are dropped from the page cache before.
         *
         * @param value true to begin with a cold cache
         * @return this
         */
        public Builder invalidates(boolean value) {
            this.invalidates = value;
            return this;
        }

        /**
         * Sets whether a job reads back what it has written.
         *
         * @param value true if it does
         * @return this
         */
        public Builder readsBack(boolean value) {
            this.readsBack = value;
            return this;
        }

        /**
         * All of it.
         *
         * @return the request
         */
        public DeviceRequest build() {
            return new DeviceRequest(this);
        }
    }
}
