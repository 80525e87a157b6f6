/**
 * The loop driver. {@link io.blkmq.loop.LoopDevice#attach} turns a file into a {@link io.blkmq.core.Disk}: direct, through a
 * completion engine, or buffered, through a work queue. The kernel's counterpart is {@code drivers/block/loop.c} after the 2014
 * series.
 *
 * <p>A request's way: {@code LoopDriver.queueRq}, {@code LoopCommand}, then the engine or {@code WorkQueue}, and back through
 * {@code LoopCommand} to {@code Request.complete}.
 */
package io.blkmq.loop;
