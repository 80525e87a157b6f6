package io.blkmq.tools.serve;

/**
 * How disks are made.
 *
 * @param engine the name of the engine for direct I/O; empty for the fastest that there is
 * @param direct whether files are used past the page cache
 * @param readOnly whether writes are refused
 * @param hardwareQueues of each disk, one for each thread of the server
 * @param connections to another server whose export is served; 0 for what is usual
 */
public record ServeSettings(String engine, boolean direct, boolean readOnly, int hardwareQueues, int connections) {}
