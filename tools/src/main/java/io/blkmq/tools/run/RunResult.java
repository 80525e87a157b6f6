package io.blkmq.tools.run;

import io.blkmq.core.DiskStatistics;
import io.blkmq.tools.device.Device;
import java.util.List;
import java.util.stream.Stream;

/**
 * What became of a run.
 *
 * @param jobs what each thread did, in the order of the plan
 * @param devices what each device was
 * @param notes what turned out otherwise than asked for
 * @param deviceTimes processor time of the threads that do the devices' I/O
 * @param stopped whether it was ended before its time
 */
public record RunResult(List<JobResult> jobs, List<DeviceFacts> devices, List<String> notes, ThreadTimes deviceTimes,
        boolean stopped) {
    /**
     * What a device was, and what passed through it.
     *
     * @param name its name inside the command
     * @param backing what was behind it
     * @param mode driver, page cache, engine
     * @param shape how it was built
     * @param sizeBytes its size
     * @param bounces how many operations were copied
     * @param statistics what the block layer counted while the jobs ran
     */
    public record DeviceFacts(String name, String backing, String mode, Device.Shape shape, long sizeBytes,
            long bounces, DiskStatistics statistics) {
        static DeviceFacts of(Device device, DiskStatistics before) {
            return new DeviceFacts(device.name(), device.backingText(), device.mode(), device.shape(),
                    device.disk().sizeBytes(), device.disk().queue().bounces(),
                    device.disk().statistics().since(before));
        }
    }

    /**
     * Whether anything went wrong.
     *
     * @return true for I/O or verification errors
     */
    public boolean hasErrors() {
        return jobs.stream().anyMatch(job -> job.failures().errno() != 0);
    }

    /**
     * The same with other jobs.
     *
     * @param others in their place
     * @param times processor time of the devices' threads
     * @return another result
     */
    public RunResult withJobs(List<JobResult> others, ThreadTimes times) {
        return new RunResult(others, devices, notes, times, stopped);
    }

    /**
     * The same with more notes.
     *
     * @param more lines for people
     * @return another result
     */
    public RunResult withNotes(List<String> more) {
        return new RunResult(jobs, devices, Stream.concat(notes.stream(), more.stream()).toList(), deviceTimes,
                stopped);
    }
}
