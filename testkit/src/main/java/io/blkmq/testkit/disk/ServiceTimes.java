package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.nullblk.Throttle;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * When a device is done with what it is given: it serves a number of requests at once, each for the time that its model says, and all of
 * them share the bandwidth. Guarded by its owner's lock.
 */
final class ServiceTimes {
    private final Map<Operation, LatencyModel> models;
    private final long capacityBytes;
    private final long bytesPerSecond;
    /** When each place is free again; empty if there is no bound. */
    private final long[] freeAt;
    private final boolean isInstant;
    private @Nullable Throttle throttle;
    private long armBytes;

    ServiceTimes(Map<Operation, LatencyModel> models, long capacityBytes, long bytesPerSecond, int parallelism) {
        this.models = new EnumMap<>(models);
        this.capacityBytes = capacityBytes;
        this.bytesPerSecond = bytesPerSecond;
        this.freeAt = new long[parallelism];
        this.isInstant = bytesPerSecond == 0 && models.values().stream().allMatch(LatencyModel.NONE::equals);
        reset(0);
    }

    /** Whether nothing ever takes time. */
    boolean isInstant() {
        return isInstant;
    }

    /** The device has nothing to do. */
    void reset(long now) {
        Arrays.fill(freeAt, now);
        armBytes = 0;
        throttle = bytesPerSecond == 0 ? null : new Throttle(bytesPerSecond, now);
    }

    /** In how many nanoseconds a request is done that comes now. */
    long nanosFor(Operation operation, long offset, long bytes, long now, RandomGenerator random) {
        if (isInstant) {
            return 0;
        }
        LatencyModel model = models.getOrDefault(operation, LatencyModel.NONE);
        long distance = operation.hasRange() ? Math.abs(offset - armBytes) : 0;
        long latency = Math.max(0,
                model.nanos(new LatencyModel.Access(operation, offset, bytes, distance, capacityBytes), random));
        if (operation.hasRange()) {
            armBytes = offset + bytes;
        }
        long done = freeAt.length == 0 ? latency : serve(latency, now);
        Throttle bandwidth = throttle;
        return bandwidth == null || !operation.hasData() ? done : Math.max(done, bandwidth.nanosFor(bytes, now));
    }

    private long serve(long latency, long now) {
        int first = 0;
        for (int i = 1; i < freeAt.length; i++) {
            first = freeAt[i] - freeAt[first] < 0 ? i : first;
        }
        long begin = freeAt[first] - now > 0 ? freeAt[first] : now;
        freeAt[first] = begin + latency;
        return freeAt[first] - now;
    }
}
