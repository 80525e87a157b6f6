package io.blkmq.metrics;

import io.blkmq.core.Disk;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The open disks of this process as meters of Micrometer, under the names that OpenTelemetry has for a system's disks: {@code system.disk.io},
 * {@code system.disk.operations} and so on, with the tags {@code system.device} and {@code disk.io.direction}. Disks come and go: a daemon thread looks for them
 * every ten seconds, or as often as you say, registers the meters of new ones, and removes those of closed ones. I/O pays nothing. Thread-safe.
 *
 * <pre>{@code
 * try (var disks = new MicrometerDisks()) {
 *     disks.bindTo(registry);
 *     ...
 * }
 * }</pre>
 *
 * @since 0.1.0
 */
public final class MicrometerDisks implements MeterBinder, AutoCloseable {

    private static final System.Logger LOGGER = System.getLogger("io.blkmq.metrics");
    private static final List<DiskFigure> FIGURES = DiskFigure.all();
    private static final Duration PERIOD = Duration.ofSeconds(10);
    /** How old a reading may be that several meters of a disk share. */
    private static final long FRESH_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final DiskLabels labels = new DiskLabels();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(
            body -> Thread.ofPlatform().daemon().name("blkmq-metrics").unstarted(body));
    private final Duration period;
    /** The disks that have meters, by registry and label. Guarded by the monitor. */
    private final Map<MeterRegistry, Map<String, Metered>> bound = new HashMap<>();

    /** Looks for disks every ten seconds. */
    public MicrometerDisks() {
        this(PERIOD);
    }

    /**
     * Looks for disks as often as you say.
     *
     * @param period between two looks
     * @throws IllegalArgumentException if it is not positive
     */
    public MicrometerDisks(Duration period) {
        if (period.isNegative() || period.isZero()) {
            throw new IllegalArgumentException("period " + period + " must be positive");
        }
        this.period = period;
    }

    /** A disk with meters: what they read, and they themselves. It is the state of the meters, which hold it weakly. */
    private static final class Metered {
        /** Weak: a disk that nobody holds any more may be collected. */
        private final WeakReference<Disk> disk;
        private final List<Meter> meters = new ArrayList<>();
        /** Guarded by the monitor. */
        private double[] reading;
        /** Guarded by the monitor. */
        private long readNanos;

        Metered(Disk disk) {
            this.disk = new WeakReference<>(disk);
            reading = figures(disk);
            readNanos = System.nanoTime();
        }

        /** A figure, of a reading that all meters of a publication share; of a disk that is gone the last one. */
        synchronized double figure(int index) {
            long now = System.nanoTime();
            if (now - readNanos > FRESH_NANOS) {
                Disk there = disk.get();
                if (there != null) {
                    reading = figures(there);
                }
                readNanos = now;
            }
            return reading[index];
        }

        private static double[] figures(Disk disk) {
            DiskFigure.Reading reading = new DiskFigure.Reading(disk);
            return FIGURES.stream().mapToDouble(figure -> figure.of().applyAsDouble(reading)).toArray();
        }
    }

    /**
     * Registers the meters of the disks that are open, and those of others when they come.
     *
     * @param registry where; several may be bound
     * @throws IllegalStateException if this is closed
     */
    @Override
    public void bindTo(MeterRegistry registry) {
        synchronized (this) {
            if (timer.isShutdown()) {
                throw new IllegalStateException("the disks' meters are closed");
            }
            if (bound.putIfAbsent(registry, new HashMap<>()) == null && bound.size() == 1) {
                var _ = timer.scheduleWithFixedDelay(this::look, period.toNanos(), period.toNanos(),
                        TimeUnit.NANOSECONDS);
            }
        }
        look();
    }

    /** Looks for disks now: registers the meters of new ones, and removes those of closed ones. */
    public synchronized void look() {
        Map<String, Disk> open = labels.look();
        for (Map.Entry<MeterRegistry, Map<String, Metered>> each : bound.entrySet()) {
            MeterRegistry registry = each.getKey();
            Map<String, Metered> metered = each.getValue();
            for (Iterator<Map.Entry<String, Metered>> known = metered.entrySet().iterator(); known.hasNext();) {
                Map.Entry<String, Metered> one = known.next();
                // Another disk may have the label by now.
                Disk now = open.get(one.getKey());
                if (now == null || !one.getValue().disk.refersTo(now)) {
                    remove(registry, one.getValue());
                    known.remove();
                }
            }
            open.forEach((label, disk) -> metered.computeIfAbsent(label, _ -> tryToRegister(registry, label, disk)));
        }
    }

    /** The meters of a disk; none, and a word in the log, if the registry refuses one, as when it has another kind of meter under its name. */
    private static Metered tryToRegister(MeterRegistry registry, String label, Disk disk) {
        Metered metered = new Metered(disk);
        try {
            register(registry, label, metered);
        } catch (RuntimeException e) {
            LOGGER.log(System.Logger.Level.WARNING, () -> "no meters of disk " + label, e);
            remove(registry, metered);
            metered.meters.clear();
        }
        return metered;
    }

    private static void register(MeterRegistry registry, String label, Metered metered) {
        for (int i = 0; i < FIGURES.size(); i++) {
            DiskFigure figure = FIGURES.get(i);
            int index = i;
            Tags tags = Tags.of(DiskFigure.DEVICE, label);
            String tag = figure.tag();
            String value = figure.tagValue();
            if (tag != null && value != null) {
                tags = tags.and(tag, value);
            }
            String unit = switch (figure.unit()) {
                case "By" -> "bytes";
                case "s" -> "seconds";
                default -> "operations";
            };
            metered.meters.add(figure.kind() == DiskFigure.Kind.LEVEL
                    ? Gauge.builder(figure.name(), metered, state -> state.figure(index)).description(figure.what())
                            .baseUnit(unit).tags(tags).register(registry)
                    : FunctionCounter.builder(figure.name(), metered, state -> state.figure(index))
                            .description(figure.what()).baseUnit(unit).tags(tags).register(registry));
        }
    }

    private static void remove(MeterRegistry registry, Metered metered) {
        metered.meters.forEach(registry::remove);
    }

    /** Removes all meters. Idempotent. */
    @Override
    public void close() {
        synchronized (this) {
            timer.shutdownNow();
            bound.forEach((registry, metered) -> metered.values().forEach(each -> remove(registry, each)));
            bound.clear();
        }
    }
}
