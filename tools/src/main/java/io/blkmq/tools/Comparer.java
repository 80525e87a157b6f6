package io.blkmq.tools;

import io.blkmq.aio.AioEngines;
import io.blkmq.tools.device.Backing;
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
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Runs the same jobs in three ways on the same written file, whose pages are dropped from the page cache before each: as the loop
 * driver was before it used AIO, on a pool of threads with direct I/O, and on AIO with direct I/O.
 */
final class Comparer {
    private static final int POOL_THREADS = 16;
    private static final Location ORIGIN = Location.ofOption("--compare");

    private final List<JobSpec> jobs;
    private final String device;
    private final RunControl control;
    private final RunListener listener;

    Comparer(List<JobSpec> jobs, RunControl control, RunListener listener) throws UsageException {
        this.jobs = jobs;
        this.device = jobs.getFirst().deviceName(0);
        this.control = control;
        this.listener = listener;
        for (JobSpec job : jobs) {
            for (int i = 0; i < job.clones(); i++) {
                if (!job.deviceName(i).equals(device)) {
                    throw new UsageException(job.location(), "--compare needs jobs that all use one device: they use "
                            + device + " and " + job.deviceName(i));
                }
            }
        }
    }

    /** How large an image the jobs need. */
    long imageBytes(long bytesMax) throws UsageException {
        Map<String, Backing> none = Map.of();
        long wanted = RunPlan.of(jobs, none, 0).devices().getFirst().imageBytes();
        return Math.min(wanted, bytesMax);
    }

    /** Runs on a new file in a directory. */
    Comparison onNewImage(Path directory, long bytes) throws UsageException, IOException {
        if (!Files.isDirectory(directory)) {
            throw new UsageException("--compare-dir " + directory + ": there is no such directory");
        }
        try (CompareImage image = CompareImage.create(directory, bytes, control)) {
            return run(image, Backing.ofFile(image.path()),
                    "a written file of " + bytes + " bytes in " + directory.toAbsolutePath().normalize());
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
        try (CompareImage image = CompareImage.of(backing.path())) {
            return run(image, backing, backing.text());
        }
    }

    private Comparison run(CompareImage image, Backing backing, String description) throws UsageException, IOException {
        EngineName aio = aioEngine();
        List<Comparison.Way> ways = new ArrayList<>();
        ways.add(way(image, backing, "workqueue", "buffered, work queue of 1 thread: the driver before patch 9", "0",
                EngineName.PSYNC, 1));
        ways.add(way(image, backing, "pool", "direct, pool of " + POOL_THREADS + " threads", "1", EngineName.PSYNC,
                POOL_THREADS));
        ways.add(way(image, backing, "aio", "direct, AIO: " + aio.fioName(), "1", aio, 0));
        return new Comparison(description, ways);
    }

    /** The job's engine; one that is no AIO gives way to the best that is. */
    private EngineName aioEngine() {
        EngineName wanted = jobs.getFirst().engine();
        return wanted == EngineName.IO_URING || wanted == EngineName.LIBAIO
                ? wanted
                : AioEngines.best().equals("libaio") ? EngineName.LIBAIO : EngineName.IO_URING;
    }

    private Comparison.Way way(CompareImage image, Backing backing, String name, String description, String direct,
            EngineName engine, int workers) throws UsageException, IOException {
        List<JobSpec> changed = new ArrayList<>();
        for (JobSpec job : jobs) {
            changed.add(job.with(Key.DIRECT, direct, ORIGIN).with(Key.IOENGINE, engine.fioName(), ORIGIN));
        }
        boolean dropped = image.dropPageCache();
        RunPlan plan = RunPlan.of(changed, Map.of(device, backing), workers);
        RunResult result = Run.execute(plan, control, listener);
        Optional<String> warm = dropped ? Optional.empty() : Optional.of("the page cache could not be dropped here");
        return new Comparison.Way(name, description, result.withNotes(warm.stream().toList()));
    }
}
