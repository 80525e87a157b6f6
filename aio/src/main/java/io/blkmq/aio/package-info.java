/**
 * Asynchronous file I/O: a {@link io.blkmq.aio.Kiocb} describes one operation, an {@link io.blkmq.aio.AioEngine}
 * carries it out and tells its {@link io.blkmq.aio.AioCompletion}.
 *
 * <p>The contract is that of the kernel's AIO interface for kernel callers: an operation is prepared once, submitted,
 * and either refused at once (a negative errno, the operation is free again) or completed exactly once with (user
 * data, result), in any context, perhaps before submit returns. Results are bytes or negative errno values, as in the
 * kernel, because they cross a hot path; opening files and engines throws exceptions, as a Java caller expects.
 *
 * <p>How to read it: {@code Kiocb}, then {@code NativeEngine} (the life of an operation in a ring, with
 * {@code Slots}, {@code DeferredList}, {@code HandOver} and {@code PromptDoorbell}), what it asks of a ring ({@code RingCalls}), then {@code UringEngine} and {@code LibaioEngine} (what the two rings do differently), then {@code ChannelEngine},
 * {@code MemoryEngine} and {@code NullEngine}.
 */
@org.jspecify.annotations.NullMarked
package io.blkmq.aio;
