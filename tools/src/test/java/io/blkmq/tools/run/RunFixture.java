package io.blkmq.tools.run;

import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.ImageRequest;
import io.blkmq.tools.device.Layout;
import io.blkmq.tools.device.OpenDevices;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.UsageException;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs the text of a job file, and gives the parts of a run to those who test them. */
final class RunFixture implements AutoCloseable {
    private final OpenDevices devices;
    private final Workload workload;
    private final Window window;

    private RunFixture(OpenDevices devices, Workload workload, Window window) {
        this.devices = devices;
        this.workload = workload;
        this.window = window;
    }

    /** Plans and runs. Attachments are {@code NAME=BACKING}. */
    static RunResult run(String text, String... attachments) throws UsageException {
        return run(new RunControl(), RunListener.SILENT, text, attachments);
    }

    static RunResult run(RunControl control, RunListener listener, String text, String... attachments)
            throws UsageException {
        return Run.execute(plan(text, attachments), control, listener);
    }

    static RunPlan plan(String text, String... attachments) throws UsageException {
        Map<String, Backing> attached = new LinkedHashMap<>();
        for (String attachment : attachments) {
            String[] parts = attachment.split("=", 2);
            attached.put(parts[0], Backing.parse(parts[1]));
        }
        return RunPlan.of(JobFile.parse("test.fio", text), new RunPlan.Setup(attached, 0, ImageRequest.NONE, true));
    }

    /** The window of the first job, owned by the calling thread. */
    static RunFixture open(String text, String... attachments) throws UsageException {
        RunPlan plan = plan(text, attachments);
        OpenDevices devices = OpenDevices.open(plan.devices(), Layout.SILENT);
        JobClone job = plan.clones().getFirst();
        Workload workload = Workload.of(job, devices::named);
        return new RunFixture(devices, workload,
                new Window(workload, new Accounts(job.spec()), Thread.currentThread()));
    }

    Workload workload() {
        return workload;
    }

    Window window() {
        return window;
    }

    @Override
    public void close() {
        window.close();
        devices.close();
    }
}
