package io.blkmq.tools.run;

import io.blkmq.tools.job.JobSpec;

/**
 * One thread's share of a run: a job, or one of its clones.
 *
 * @param spec the job
 * @param number among all of the run, from 0
 * @param deviceName the device that it uses
 * @param deviceIndex among those that use the same device, from 0
 */
public record JobClone(JobSpec spec, int number, String deviceName, int deviceIndex) {}
