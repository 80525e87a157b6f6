package io.blkmq.tools.run;

import io.blkmq.tools.job.JobSpec;
import java.util.List;

/**
 * One thread's share of a run: a job, or one of its clones.
 *
 * @param spec the job
 * @param number among all of the run, from 0
 * @param index among the clones of the job, from 0
 * @param group which jobs it is reported with
 * @param after the numbers of those that have to end before it begins
 * @param devices what it uses, at least one
 */
public record JobClone(JobSpec spec, int number, int index, int group, List<Integer> after, List<DeviceUse> devices) {
    /**
     * A device that it uses.
     *
     * @param name the device's name inside the command
     * @param index among those that use the same device, from 0
     */
    public record DeviceUse(String name, int index) {}
}
