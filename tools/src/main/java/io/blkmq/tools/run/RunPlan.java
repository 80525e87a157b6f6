package io.blkmq.tools.run;

import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.DeviceRequest;
import io.blkmq.tools.device.ImageRequest;
import io.blkmq.tools.job.Extent;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.SizeRange;
import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which threads there are, whom each waits for, and which devices it uses. Nothing is opened yet.
 *
 * @param clones all threads, in the order of the job file
 * @param devices what is needed of each device, in the order of first use
 * @param timelines whether it is told what the threads did over time
 */
public record RunPlan(List<JobClone> clones, List<DeviceRequest> devices, boolean timelines) {
    private static final int THREADS_MAX = 1024;

    /**
     * What is behind devices, and what is wanted of the run.
     *
     * @param attached by name, what the user attached
     * @param workers threads that do blocking I/O for a device, whatever jobs and names say; 0 for what they say
     * @param images where temporary images lie
     * @param timelines whether it is told what the threads did over time
     */
    public record Setup(Map<String, Backing> attached, int workers, ImageRequest images, boolean timelines) {
        /** The same, with the images on Ceph that jobs name by themselves. */
        private Setup withImages(List<JobSpec> jobs) throws UsageException {
            Map<String, Backing> all = new LinkedHashMap<>(attached);
            for (JobSpec job : jobs) {
                for (int clone = 0; clone < job.clones(); clone++) {
                    for (String device : job.deviceNames(clone)) {
                        if (!all.containsKey(device)) {
                            job.image().ifPresent(image -> all.put(device, Backing.ofImage(image)));
                        }
                    }
                }
            }
            return new Setup(all, workers, images, timelines);
        }
    }

    /** A job that uses a device, and how many operations it has in flight there. */
    private record User(JobSpec spec, int index, int depth) {}

    /**
     * Plans a run.
     *
     * @param jobs the jobs
     * @param asked what is behind devices
     * @return the plan
     * @throws UsageException if names do not match, or jobs contradict each other
     */
    public static RunPlan of(List<JobSpec> jobs, Setup asked) throws UsageException {
        Setup setup = asked.withImages(jobs);
        Map<String, List<User>> users = new LinkedHashMap<>();
        List<JobClone> clones = clones(jobs, users, setup);
        requireUsed(asked.attached, users);
        List<DeviceRequest> devices = new ArrayList<>();
        for (Map.Entry<String, List<User>> entry : users.entrySet()) {
            devices.add(request(entry.getKey(), entry.getValue(), setup));
        }
        return new RunPlan(List.copyOf(clones), List.copyOf(devices), setup.timelines);
    }

    private static List<JobClone> clones(List<JobSpec> jobs, Map<String, List<User>> users, Setup setup)
            throws UsageException {
        int threads = jobs.stream().mapToInt(JobSpec::clones).sum();
        if (threads > THREADS_MAX) {
            throw new UsageException(jobs.getLast().location(Key.NUMJOBS),
                    threads + " jobs and clones: " + THREADS_MAX + " are possible");
        }
        List<JobClone> clones = new ArrayList<>();
        int group = 0;
        for (JobSpec job : jobs) {
            boolean barrier = job.flag(Key.STONEWALL);
            group += !clones.isEmpty() && (barrier || job.flag(Key.NEW_GROUP)) ? 1 : 0;
            List<Integer> after = after(job, clones, barrier);
            for (int i = 0; i < job.clones(); i++) {
                List<JobClone.DeviceUse> uses = new ArrayList<>();
                for (String name : job.deviceNames(i)) {
                    List<User> sharing = users.computeIfAbsent(name, _ -> new ArrayList<>());
                    uses.add(new JobClone.DeviceUse(name, sharing.size()));
                    sharing.add(new User(job, i, Workload.depth(job, setup.attached.get(name))));
                }
                JobClone clone = new JobClone(job, clones.size(), i, group, after, List.copyOf(uses));
                JobLogs.requireWritable(clone);
                clones.add(clone);
            }
        }
        return clones;
    }

    private static List<Integer> after(JobSpec job, List<JobClone> before, boolean barrier) throws UsageException {
        if (barrier) {
            return IntStream.range(0, before.size()).boxed().toList();
        }
        Optional<Object> other = job.optional(Key.WAIT_FOR);
        if (other.isEmpty()) {
            // A barrier holds for the jobs after it too: they begin with it, and not before.
            return before.isEmpty() ? List.of() : barrierOf(before);
        }
        List<Integer> numbers = before.stream().filter(clone -> clone.spec().name().equals(other.get()))
                .map(JobClone::number).toList();
        if (numbers.isEmpty()) {
            throw new UsageException(job.location(Key.WAIT_FOR),
                    "wait_for=" + other.get() + ": no job before " + job.name() + " has that name");
        }
        return Stream.concat(numbers.stream(), barrierOf(before).stream())
                .flatMap(number -> Stream.concat(Stream.of(number), before.get(number).after().stream())).distinct()
                .sorted().toList();
    }

    /** Whom the last job that stood behind a barrier waits for. */
    private static List<Integer> barrierOf(List<JobClone> before) {
        return before.reversed().stream().filter(clone -> clone.spec().flag(Key.STONEWALL)).findFirst()
                .map(JobClone::after).orElse(List.of());
    }

    private static void requireUsed(Map<String, Backing> attached, Map<String, List<User>> users)
            throws UsageException {
        for (String name : attached.keySet()) {
            if (!users.containsKey(name)) {
                throw new UsageException("--attach " + name + ": no job uses that name; the jobs use "
                        + String.join(", ", users.keySet()));
            }
        }
    }

    private static DeviceRequest request(String name, List<User> users, Setup setup) throws UsageException {
        JobSpec first = users.getFirst().spec;
        Backing backing = setup.attached.get(name);
        boolean onFile = backing == null || backing.kind() == Backing.Kind.FILE;
        long imageBytes = 0;
        for (User user : users) {
            JobSpec spec = user.spec;
            requireSame(name, first, spec, Key.IOSCHEDULER, first.elevator().equals(spec.elevator()));
            if (onFile) {
                requireSame(name, first, spec, Key.IOENGINE, first.engine() == spec.engine());
                requireSame(name, first, spec, Key.DIRECT, first.isDirect() == spec.isDirect());
                requireSame(name, first, spec, Key.WORKERS, first.workers().equals(spec.workers()));
            }
        }
        if (backing == null) {
            imageBytes = imageBytes(name, users);
        }
        int said = backing != null && backing.workers() != 0 ? backing.workers() : first.workers().orElse(0);
        boolean writes = users.stream().map(User::spec)
                .anyMatch(spec -> spec.accessPattern().writes() || spec.accessPattern().trims());
        boolean reads = users.stream().map(User::spec).anyMatch(spec -> spec.accessPattern().reads());
        return DeviceRequest.builder(name, first.location(Key.IOENGINE)).backing(backing)
                .users(users.size(), users.stream().mapToInt(User::depth).sum())
                .engine(first.engine(), first.isDirect()).elevator(first.elevator())
                .workers(setup.workers != 0 ? setup.workers : said).image(setup.images.withBytes(imageBytes))
                .access(reads, writes)
                .mountedWrite(users.stream().anyMatch(user -> user.spec.flag(Key.ALLOW_MOUNTED_WRITE)))
                .readsBack(users.stream().map(User::spec).anyMatch(JobSpec::isReadBack))
                .invalidates(users.stream().allMatch(user -> user.spec.flag(Key.INVALIDATE))).build();
    }

    private static void requireSame(String name, JobSpec first, JobSpec other, Key key, boolean same)
            throws UsageException {
        if (!same) {
            throw new UsageException(other.location(key),
                    "job " + other.name() + " shares device " + name + " with job " + first.name()
                            + ", which says otherwise about " + key.keyName() + " at " + first.location(key));
        }
    }

    /** The image has to hold what each job says; a job that says nothing uses what the others need. */
    private static long imageBytes(String name, List<User> users) throws UsageException {
        long bytes = 0;
        for (User user : users) {
            bytes = Math.max(bytes, imageBytes(name, user));
        }
        if (bytes == 0) {
            JobSpec first = users.getFirst().spec;
            if (first.has(Key.SIZE)) {
                throw percentOfNothing(first, Key.SIZE, name);
            }
            throw new UsageException(first.location(), "job " + first.name() + " needs size=, since its device " + name
                    + " is not attached to anything that has a size");
        }
        return bytes;
    }

    private static long imageBytes(String name, User user) throws UsageException {
        JobSpec spec = user.spec;
        Key sized = spec.has(Key.FILESIZE) ? Key.FILESIZE : Key.SIZE;
        Extent size;
        try {
            size = sizeOf(spec);
        } catch (ArithmeticException e) {
            throw tooLarge(spec, sized);
        }
        if (size == null) {
            return 0;
        }
        for (Key key : List.of(Key.SIZE, Key.OFFSET, Key.OFFSET_INCREMENT)) {
            if (spec.optional(key).filter(value -> ((Extent) value).percent()).isPresent()) {
                if (key == Key.SIZE) {
                    return 0;
                }
                throw percentOfNothing(spec, key, name);
            }
        }
        try {
            long offset = Math.addExact(spec.offset().value(),
                    Math.multiplyExact(spec.offsetIncrement().value(), user.index));
            return Math.multiplyExact(Math.ceilDiv(Math.addExact(size.value(), offset), 4096L), 4096L);
        } catch (ArithmeticException e) {
            throw tooLarge(spec, sized);
        }
    }

    private static UsageException tooLarge(JobSpec spec, Key key) {
        return new UsageException(spec.location(key), "job " + spec.name() + ": size and offset exceed 63 bits");
    }

    private static UsageException percentOfNothing(JobSpec spec, Key key, String device) {
        return new UsageException(spec.location(key), "job " + spec.name() + ": percent of device " + device
                + ", which is not attached to anything that has a size");
    }

    /** The size of all files of a job together. */
    private static @Nullable Extent sizeOf(JobSpec spec) {
        Object each = spec.optional(Key.FILESIZE).orElse(null);
        if (each != null) {
            return new Extent(Math.multiplyExact(((SizeRange) each).maxBytes(), spec.files()), false);
        }
        return spec.size().orElse(null);
    }
}
