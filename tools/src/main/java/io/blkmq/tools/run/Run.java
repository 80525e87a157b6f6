package io.blkmq.tools.run;

import io.blkmq.core.DiskStatistics;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.device.OpenDevices;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Makes the devices of a plan, runs its jobs, and takes the devices down again. */
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
        try (OpenDevices devices = OpenDevices.open(plan.devices(), new LayoutProgress(control, listener))) {
            List<Workload> workloads = workloads(plan, devices);
            RunControl own = control.inner();
            List<Device> all = devices.all();
            List<DiskStatistics> before = new ArrayList<>();
            List<JobResult> results;
            ThreadTimes deviceTimes;
            try (Crew crew = new Crew(workloads, plan.timelines(), own, listener)) {
                listener.begins();
                all.forEach(device -> before.add(device.disk().statistics()));
                ThreadTimes begun = ThreadTimes.now(crew.threads());
                results = crew.work();
                deviceTimes = ThreadTimes.now(crew.threads()).since(begun);
            }
            List<RunResult.DeviceFacts> facts = new ArrayList<>();
            for (int i = 0; i < all.size(); i++) {
                facts.add(RunResult.DeviceFacts.of(all.get(i), before.get(i)));
            }
            return new RunResult(results, facts, notes(plan, devices, workloads, results), deviceTimes,
                    control.isStopped());
        }
    }

    /**
     * Makes the devices of a plan and takes them down again: whether it could run.
     *
     * @param plan what would run
     * @param control to end it early
     * @throws UsageException if it could not
     */
    public static void check(RunPlan plan, RunControl control) throws UsageException {
        try (OpenDevices devices = OpenDevices.open(plan.devices(), new LayoutProgress(control, RunListener.SILENT))) {
            workloads(plan, devices);
        }
    }

    private static List<Workload> workloads(RunPlan plan, OpenDevices devices) throws UsageException {
        List<Workload> workloads = new ArrayList<>();
        for (JobClone job : plan.clones()) {
            workloads.add(Workload.of(job, devices::named));
        }
        requireApart(workloads);
        return workloads;
    }

    /** What two jobs write to the same place at the same time has no defined content, so it cannot be verified. */
    private static void requireApart(List<Workload> workloads) throws UsageException {
        List<Workload> verified = workloads.stream().filter(each -> each.spec().isVerified()).toList();
        for (Workload one : verified) {
            for (Workload other : workloads) {
                boolean written = one.pattern().writes() || other.pattern().writes();
                if (one.job().number() != other.job().number() && written && !one.isOrdered(other)
                        && one.overlaps(other)) {
                    Workload first = one.job().number() < other.job().number() ? one : other;
                    Workload second = one.job().number() < other.job().number() ? other : one;
                    throw new UsageException(second.spec().location(Key.VERIFY),
                            "jobs " + first.spec().name() + " and " + second.spec().name() + " (numbers "
                                    + first.job().number() + " and " + second.job().number()
                                    + ") use the same bytes of device " + one.parts().getFirst().device().name()
                                    + ", so what is written there cannot be verified");
                }
            }
        }
    }

    private static List<String> notes(RunPlan plan, OpenDevices devices, List<Workload> workloads,
            List<JobResult> results) {
        List<String> notes = new ArrayList<>();
        unusedKeys(plan).forEach(notes::add);
        devices.all().stream().map(Device::notes).forEach(notes::addAll);
        workloads.stream().map(Workload::notes).flatMap(Collection::stream).distinct().forEach(notes::add);
        results.stream().map(JobResult::notes).forEach(notes::addAll);
        return notes;
    }

    /** One line for all keys that are read and have no effect. */
    private static List<String> unusedKeys(RunPlan plan) {
        Set<String> names = plan.clones().stream().flatMap(clone -> clone.spec().unusedKeys().stream())
                .collect(Collectors.toCollection(TreeSet::new));
        if (names.isEmpty()) {
            return List.of();
        }
        return List.of("keys without effect here: " + String.join(", ", names) + "; docs/guide/blkmq-run.md says why");
    }
}
