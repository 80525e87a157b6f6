/**
 * The loop driver. {@link io.blkmq.loop.LoopDevice#attach} turns a file into a {@link io.blkmq.core.Disk}: direct, through a
 * completion engine, or buffered, through a work queue. {@link io.blkmq.loop.LoopControl} has devices that come without a file, get
 * one, and lose it. The kernel's counterpart is {@code drivers/block/loop.c} after the 2014 series, with what it has learned since.
 *
 * <p>A request's way: {@code LoopDriver.queueRq}, {@code LoopCommand}, then the engine, {@code WorkQueue} or the disk below, and back
 * through {@code LoopCommand} to {@code Request.complete}.
 */
package io.blkmq.loop;
