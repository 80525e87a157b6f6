package io.blkmq.tools;

import io.blkmq.aio.AioEngines;
import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.ImageRequest;
import io.blkmq.tools.device.Layout;
import io.blkmq.tools.device.PageCache;
import io.blkmq.tools.device.TemporaryImage;
import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.Location;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.report.Comparison;
import io.blkmq.tools.run.Run;
import io.blkmq.tools.run.RunControl;
import io.blkmq.tools.run.RunListener;
import io.blkmq.tools.run.RunPlan;
import io.blkmq.tools.run.RunResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Runs the same jobs in three ways on the same written file: as the loop driver was before it used AIO, on a pool of threads with
 * direct I/O, and on AIO with direct I/O. The ways take turns, in slices of the jobs' time, so that what changes on the machine
 * meanwhile is the same for all; the first slice of each, in which the JVM compiles, is not counted; and the file's pages are dropped
 * from the page cache before each slice.
 */
final class Comparer {
    private static final int POOL_THREADS = 16;
    private static final long WARMING_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final Location ORIGIN = Location.ofOption("--compare");

    private final List<JobSpec> jobs;
    private final String device;
    private final int slices;
    private final ImageRequest images;
    private final boolean timelines;
    private final RunControl control;
    private final RunListener listener;

    /** How jobs are run. */
    private record Way(String name, String description, EngineName engine, String direct, int workers) {}

    Comparer(List<JobSpec> jobs, int slices, ImageRequest images, boolean timelines, RunControl control,
            RunListener listener) throws UsageException {
        this.jobs = jobs;
        this.device = jobs.getFirst().deviceNames(0).getFirst();
        this.slices = slices;
        this.images = images;
        this.timelines = timelines;
        this.control = control;
        this.listener = listener;
        for (JobSpec job : jobs) {
            for (int i = 0; i < job.clones(); i++) {
                List<String> names = job.deviceNames(i);
                if (!names.equals(List.of(device))) {
                    throw new UsageException(job.location(), "--compare needs jobs that all use one device: they use "
                            + device + " and " + String.join(", ", names));
                }
            }
        }
    }

    /** How large an image the jobs need. */
    long imageBytes(long bytesMax) throws UsageException {
        RunPlan.Setup none = new RunPlan.Setup(Map.of(), 0, images, false);
        return Math.min(RunPlan.of(jobs, none).devices().getFirst().image().bytes(), bytesMax);
    }

    /** Runs on a new file in a directory. */
    Comparison onNewImage(long bytes) throws UsageException, IOException {
        Path directory = images.directory();
        if (!Files.isDirectory(directory)) {
            throw new UsageException("--compare-dir " + directory + ": there is no such directory");
        }
        try (TemporaryImage image = TemporaryImage.createNamed(directory, bytes)) {
            // Refused before the image is written.
            checkAll(Backing.ofFile(image.path()));
            image.fill(device, bytes, new Layout() {
                @Override
                public boolean isStopped() {
                    return control.isStopped();
                }

                @Override
                public void written(String what, long done, long ofBytes) {
                    listener.laidOut(what, done, ofBytes);
                }
            });
            return run(Backing.ofFile(image.path()),
                    "a written file of " + bytes + " bytes in " + directory.toAbsolutePath().normalize());
        } catch (IOException e) {
            throw new UsageException("--compare-dir " + directory + ": " + e.getMessage(), e);
        }
    }

    /** Runs on a file that the user attached. */
    Comparison onFile(Backing backing) throws UsageException, IOException {
        if (backing.kind() != Backing.Kind.FILE || backing.buffered()) {
            throw new UsageException("--attach " + device + "=" + backing.text()
                    + ": --compare needs a file, and chooses by itself whether it is buffered");
        }
        if (!Files.isRegularFile(backing.path())) {
            throw new UsageException(device + ": there is no file " + backing.path());
        }
        checkAll(backing);
        return run(backing, backing.text());
    }

    private void checkAll(Backing backing) throws UsageException {
        for (Way way : ways()) {
            Run.check(plan(way, backing, 0), control);
        }
    }

    private Comparison run(Backing backing, String description) throws UsageException, IOException {
        Map<Way, List<RunResult>> results = new HashMap<>();
        List<Way> ways = ways();
        List<String> notes = new ArrayList<>();
        for (int slice = 0; slice <= slices && !control.isStopped(); slice++) {
            for (Way way : ways) {
                if (!PageCache.drop(backing.path()) && notes.isEmpty()) {
                    notes.add("the page cache could not be dropped here");
                }
                RunResult result = Run.execute(plan(way, backing, sliceNanos(slice == 0)), control, listener);
                List<RunResult> own = results.computeIfAbsent(way, _ -> new ArrayList<>());
                if (slice > 0 || control.isStopped()) {
                    own.add(result.withNotes(notes));
                }
            }
        }
        return new Comparison(description,
                ways.stream()
                        .map(way -> new Comparison.Way(way.name, way.description, results.getOrDefault(way, List.of())))
                        .filter(way -> !way.slices().isEmpty()).toList());
    }

    /** A part of the time that the jobs have; 0 if they have none, and run to their end each time. */
    private long sliceNanos(boolean warming) {
        long all = jobs.stream().mapToLong(JobSpec::runtimeNanos).max().orElse(0);
        return all == 0 ? 0 : warming ? Math.min(all, WARMING_NANOS) : Math.max(1_000_000, all / slices);
    }

    private List<Way> ways() {
        EngineName aio = aioEngine();
        return List.of(
                new Way("workqueue", "buffered, work queue of 1 thread: the driver before patch 9", EngineName.POSIXAIO,
                        "0", 1),
                new Way("pool", "direct, pool of " + POOL_THREADS + " threads", EngineName.POSIXAIO, "1", POOL_THREADS),
                new Way("aio", "direct, AIO: " + aio.fioName(), aio, "1", 0));
    }

    /** The job's engine; one that is no AIO gives way to the best that is. */
    private EngineName aioEngine() {
        EngineName wanted = jobs.getFirst().engine();
        return wanted == EngineName.IO_URING || wanted == EngineName.LIBAIO
                ? wanted
                : AioEngines.best().equals("libaio") ? EngineName.LIBAIO : EngineName.IO_URING;
    }

    private RunPlan plan(Way way, Backing backing, long nanos) throws UsageException {
        List<JobSpec> changed = new ArrayList<>();
        for (JobSpec job : jobs) {
            JobSpec other = job.with(Key.DIRECT, way.direct, ORIGIN).with(Key.IOENGINE, way.engine.fioName(), ORIGIN)
                    .with(Key.INVALIDATE, "0", ORIGIN);
            if (nanos != 0 && job.runtimeNanos() > 0) {
                other = other.with(Key.RUNTIME, TimeUnit.NANOSECONDS.toMicros(nanos) + "us", ORIGIN);
            }
            changed.add(other);
        }
        return RunPlan.of(changed, new RunPlan.Setup(Map.of(device, backing), way.workers, images, timelines));
    }
}
