package io.blkmq.core.counters;

import io.blkmq.core.counters.layout.CountersLayout;
import io.blkmq.core.IoGroup;
import io.blkmq.core.driver.DeviceDescription;
import java.util.Arrays;

/**
 * The counters of one device, as they were read from a file: at one time, or between two ({@link #since}). They mean what those of
 * {@link io.blkmq.core.DiskStatistics} mean. Immutable.
 *
 * @since 0.1.0
 */
public final class DeviceCounters {
    static final int IOS = 0;
    static final int MERGES = 1;
    static final int SECTORS = 2;
    static final int NANOS = 3;
    static final int WAIT_NANOS = 4;

    /**
     * What a device is.
     *
     * @param id its number in its process; no other device of the process has it, or had it before
     * @param name its name
     * @param sizeBytes its size
     * @param description its kind
     * @param elevator the elevator at work, {@code none} without one
     */
    public record Identity(long id, String name, long sizeBytes, DeviceDescription description, String elevator) {}

    private final Identity identity;
    private final boolean whole;
    private final long createdNanos;
    private final long atNanos;
    private final long periodNanos;
    private final long busyNanos;
    private final long readsInFlight;
    private final long writesInFlight;
    private final long[] figures;

    DeviceCounters(Identity identity, boolean whole, long createdNanos, long atNanos, long busyNanos,
            long readsInFlight, long writesInFlight, long[] figures) {
        this(identity, whole, createdNanos, atNanos, atNanos - createdNanos, busyNanos, readsInFlight, writesInFlight,
                figures);
    }

    private DeviceCounters(Identity identity, boolean whole, long createdNanos, long atNanos, long periodNanos,
            long busyNanos, long readsInFlight, long writesInFlight, long[] figures) {
        this.identity = identity;
        this.whole = whole;
        this.createdNanos = createdNanos;
        this.atNanos = atNanos;
        this.periodNanos = periodNanos;
        this.busyNanos = busyNanos;
        this.readsInFlight = readsInFlight;
        this.writesInFlight = writesInFlight;
        this.figures = figures;
    }

    /**
     * What has been added since an earlier reading. What is in flight is that of this one.
     *
     * @param earlier of the same device of the same process
     * @return the differences
     * @throws IllegalArgumentException if it is of another device, or later
     */
    public DeviceCounters since(DeviceCounters earlier) {
        if (!follows(earlier)) {
            throw new IllegalArgumentException("the counters of " + identity.name + " since those of "
                    + earlier.identity.name + ", which are not earlier ones of the same device");
        }
        long[] added = new long[figures.length];
        Arrays.setAll(added, i -> figures[i] - earlier.figures[i]);
        return new DeviceCounters(identity, whole && earlier.whole, createdNanos, atNanos, atNanos - earlier.atNanos,
                busyNanos - earlier.busyNanos, readsInFlight, writesInFlight, added);
    }

    /**
     * Whether these are later counters of the same device.
     *
     * @param earlier others
     * @return false if they are of another device, or not earlier
     */
    public boolean follows(DeviceCounters earlier) {
        return earlier.identity.id == identity.id && earlier.createdNanos == createdNanos
                && earlier.atNanos - atNanos <= 0;
    }

    /**
     * What the device is.
     *
     * @return as its process has described it last
     */
    public Identity identity() {
        return identity;
    }

    /**
     * Whether all figures are of one time. They are not if the process ended while it wrote them: then each is right by itself.
     *
     * @return false if they may be of two times
     */
    public boolean isWhole() {
        return whole;
    }

    /**
     * The time that the figures are of: since the device was made, or between two readings.
     *
     * @return nanoseconds, by the clock of the device
     */
    public long periodNanos() {
        return periodNanos;
    }

    /**
     * When the figures were read, by the clock of the device.
     *
     * @return nanoseconds
     */
    public long atNanos() {
        return atNanos;
    }

    /**
     * For how long something was in flight.
     *
     * @return nanoseconds
     */
    public long busyNanos() {
        return busyNanos;
    }

    /**
     * How many reads the driver had.
     *
     * @return requests
     */
    public long readsInFlight() {
        return readsInFlight;
    }

    /**
     * How many requests that are no reads the driver had.
     *
     * @return requests
     */
    public long writesInFlight() {
        return writesInFlight;
    }

    /**
     * How many requests have ended.
     *
     * @param group of which kind
     * @return requests
     */
    public long ios(IoGroup group) {
        return figure(group, IOS);
    }

    /**
     * How many bios and requests have joined a request.
     *
     * @param group of which kind
     * @return merges
     */
    public long merges(IoGroup group) {
        return figure(group, MERGES);
    }

    /**
     * How long the requests were that have ended.
     *
     * @param group of which kind
     * @return sectors of 512 bytes
     */
    public long sectors(IoGroup group) {
        return figure(group, SECTORS);
    }

    /**
     * How long the requests took that have ended, all together.
     *
     * @param group of which kind
     * @return nanoseconds
     */
    public long nanos(IoGroup group) {
        return figure(group, NANOS);
    }

    /**
     * Which part of {@link #nanos} they waited before the driver had them.
     *
     * @param group of which kind
     * @return nanoseconds
     */
    public long waitNanos(IoGroup group) {
        return figure(group, WAIT_NANOS);
    }

    /** Where the figures of a group begin: the order is the file's. */
    static int firstFigureOf(IoGroup group) {
        return CountersLayout.FIGURES * switch (group) {
            case READ -> 0;
            case WRITE -> 1;
            case DISCARD -> 2;
            case FLUSH -> 3;
        };
    }

    private long figure(IoGroup group, int figure) {
        return figures[firstFigureOf(group) + figure];
    }

    @Override
    public String toString() {
        return identity.name + ": " + ios(IoGroup.READ) + " reads, " + ios(IoGroup.WRITE) + " writes, "
                + ios(IoGroup.DISCARD) + " discards, " + ios(IoGroup.FLUSH) + " flushes";
    }
}
