/** Job files in fio's format: sections, keys and values, read into {@link io.blkmq.tools.job.JobSpec}s. Opens nothing, runs nothing. */
package io.blkmq.tools.job;
