/**
 * Runs jobs. To follow one, read {@code RunPlan} (who uses which device), {@code Workload} (what a job does on it),
 * {@code JobThread} (the loop), {@code RunResult}.
 */
package io.blkmq.tools.run;
