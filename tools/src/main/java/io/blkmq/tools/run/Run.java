package io.blkmq.tools.run;

import io.blkmq.core.DiskStatistics;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.device.OpenDevices;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.List;

/** Makes the devices of a plan, runs all jobs at once, and takes the devices down again. */
public final class Run {
    private Run() {}

    /**
     * Runs to the end, or until it is stopped. Devices are detached and temporary files removed, however it ends.
     *
     * @param plan what to run
     * @param control to end it early
     * @param listener is told how it goes
     * @return what became of it
     * @throws UsageException if a device cannot be had, or a job does not fit its device; nothing has run then
     */
    public static RunResult execute(RunPlan plan, RunControl control, RunListener listener) throws UsageException {
        try (OpenDevices devices = OpenDevices.open(plan.devices())) {
            List<Workload> workloads = new ArrayList<>();
            for (JobClone job : plan.clones()) {
                workloads.add(Workload.of(job, devices.named(job.deviceName())));
            }
            requireApart(workloads);
            List<Device> all = devices.all();
            List<DiskStatistics> before = new ArrayList<>();
            List<JobResult> results;
            try (Crew crew = new Crew(workloads, control, listener)) {
                listener.begins();
                all.forEach(device -> before.add(device.disk().statistics()));
                results = crew.work();
            }
            List<RunResult.DeviceFacts> facts = new ArrayList<>();
            for (int i = 0; i < all.size(); i++) {
                facts.add(RunResult.DeviceFacts.of(all.get(i), before.get(i)));
            }
            return new RunResult(results, facts, notes(devices, workloads), control.isStopped());
        }
    }

    /** What two jobs write to the same place at the same time has no defined content, so it cannot be verified. */
    private static void requireApart(List<Workload> workloads) throws UsageException {
        for (int i = 0; i < workloads.size(); i++) {
            for (int j = 0; j < i; j++) {
                Workload one = workloads.get(i);
                Workload other = workloads.get(j);
                boolean verified = one.spec().isVerified() || other.spec().isVerified();
                boolean written = one.pattern().writes() || other.pattern().writes();
                if (verified && written && one.overlaps(other)) {
                    throw new UsageException(one.spec().location(Key.VERIFY),
                            "jobs " + other.spec().name() + " and " + one.spec().name() + " (numbers " + j + " and " + i
                                    + ") use the same bytes of device " + one.device().name()
                                    + ", so what is written there cannot be verified");
                }
            }
        }
    }

    private static List<String> notes(OpenDevices devices, List<Workload> workloads) {
        List<String> notes = new ArrayList<>();
        devices.all().stream().map(Device::notes).forEach(notes::addAll);
        workloads.stream().flatMap(workload -> workload.cutNote().stream()).distinct().forEach(notes::add);
        return notes;
    }
}
