/**
 * The loop driver. {@link io.blkmq.loop.LoopDevice#attach} turns a file into a {@link io.blkmq.core.Disk}: direct, through a
 * completion engine, or buffered, through a work queue. {@link io.blkmq.loop.LoopControl} has devices that come without a file, get
 * one, and lose it. The kernel's counterpart is {@code drivers/block/loop.c} after the patch series of 2014 that moved it to blk-mq
 * ("block/aio: loop mq conversion and kernel aio"), and its later changes.
 *
 * <p>A request's way: {@code LoopDriver.queueRq}, {@code LoopCommand}, then the engine, {@code WorkQueue} or the disk below, and back
 * through {@code LoopCommand} to {@code Request.complete}.
 */
package io.blkmq.loop;

import io.blkmq.loop.work.WorkQueue;
