package io.blkmq.tools.run;

import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.DeviceRequest;
import io.blkmq.tools.job.Extent;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which threads there are and which device each uses. Nothing is opened yet.
 *
 * @param clones all threads, in the order of the job file
 * @param devices what is needed of each device, in the order of first use
 */
public record RunPlan(List<JobClone> clones, List<DeviceRequest> devices) {
    private static final int THREADS_MAX = 1024;

    /**
     * Plans a run.
     *
     * @param jobs the jobs
     * @param attached what is behind which name
     * @param workers threads that do blocking I/O for a device, whatever jobs and names say; 0 for what they say
     * @return the plan
     * @throws UsageException if names do not match, or jobs contradict each other
     */
    public static RunPlan of(List<JobSpec> jobs, Map<String, Backing> attached, int workers) throws UsageException {
        List<JobClone> clones = new ArrayList<>();
        Map<String, List<JobClone>> users = new LinkedHashMap<>();
        for (JobSpec job : jobs) {
            for (int i = 0; i < job.clones(); i++) {
                String device = job.deviceName(i);
                List<JobClone> sharing = users.computeIfAbsent(device, _ -> new ArrayList<>());
                JobClone planned = new JobClone(job, clones.size(), device, sharing.size());
                sharing.add(planned);
                clones.add(planned);
            }
        }
        if (clones.size() > THREADS_MAX) {
            throw new UsageException(jobs.getLast().location(Key.NUMJOBS),
                    clones.size() + " jobs and clones: " + THREADS_MAX + " are possible");
        }
        requireUsed(attached, users);
        List<DeviceRequest> devices = new ArrayList<>();
        for (Map.Entry<String, List<JobClone>> entry : users.entrySet()) {
            devices.add(request(entry.getKey(), entry.getValue(), Optional.ofNullable(attached.get(entry.getKey())),
                    workers));
        }
        return new RunPlan(List.copyOf(clones), List.copyOf(devices));
    }

    private static void requireUsed(Map<String, Backing> attached, Map<String, List<JobClone>> users)
            throws UsageException {
        for (String name : attached.keySet()) {
            if (!users.containsKey(name)) {
                throw new UsageException("--attach " + name + ": no job uses that name; the jobs use "
                        + String.join(", ", users.keySet()));
            }
        }
    }

    private static DeviceRequest request(String name, List<JobClone> users, Optional<Backing> backing, int workers)
            throws UsageException {
        JobSpec first = users.getFirst().spec();
        boolean onFile = backing.map(given -> given.kind() == Backing.Kind.FILE).orElse(true);
        int depthTotal = 0;
        long imageBytes = 0;
        for (JobClone user : users) {
            JobSpec spec = user.spec();
            depthTotal += spec.depth();
            requireSame(name, first, spec, Key.IOSCHEDULER, first.elevator().equals(spec.elevator()));
            if (onFile) {
                requireSame(name, first, spec, Key.IOENGINE, first.engine() == spec.engine());
                requireSame(name, first, spec, Key.DIRECT, first.isDirect() == spec.isDirect());
                requireSame(name, first, spec, Key.WORKERS, first.workers().equals(spec.workers()));
            }
            if (backing.isEmpty()) {
                imageBytes = Math.max(imageBytes, imageBytes(name, spec));
            }
        }
        int said = backing.map(Backing::workers).filter(count -> count != 0).orElse(first.workers().orElse(0));
        return new DeviceRequest(name, backing, users.size(), depthTotal, first.engine(), first.isDirect(),
                first.elevator(), workers != 0 ? workers : said, imageBytes, first.location(Key.IOENGINE));
    }

    private static void requireSame(String name, JobSpec first, JobSpec other, Key key, boolean same)
            throws UsageException {
        if (!same) {
            throw new UsageException(other.location(key),
                    "job " + other.name() + " shares device " + name + " with job " + first.name()
                            + ", which says otherwise about " + key.keyName() + " at " + first.location(key));
        }
    }

    private static long imageBytes(String name, JobSpec spec) throws UsageException {
        Extent size = spec.size().orElseThrow(() -> new UsageException(spec.location(), "job " + spec.name()
                + " needs size=, since its device " + name + " is not attached to anything that has a size"));
        if (size.percent() || spec.offset().percent()) {
            throw new UsageException(spec.location(size.percent() ? Key.SIZE : Key.OFFSET), "job " + spec.name()
                    + ": percent of device " + name + ", which is not attached to anything that has a size");
        }
        long bytes = size.value() + spec.offset().value();
        if (bytes < 0) {
            throw new UsageException(spec.location(Key.SIZE),
                    "job " + spec.name() + ": size and offset exceed 63 bits");
        }
        return Math.ceilDiv(bytes, 4096) * 4096;
    }
}
