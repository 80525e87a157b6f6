package io.blkmq.runtime;

/**
 * How the pool of {@link IoBuffer} is used at a moment. A buffer counts as the power of two that it takes, 4096 bytes at least.
 *
 * @param limitBytes as much as the pool may have
 * @param usedBytes in buffers that are not closed
 * @param freeBytes what the pool has beside them. It gets more, up to its limit, when nothing free is large enough
 * @param largestFreeBytes the largest buffer that can be had without more memory from the system
 * @since 0.1.0
 */
public record IoBufferUsage(long limitBytes, long usedBytes, long freeBytes, long largestFreeBytes) {}
