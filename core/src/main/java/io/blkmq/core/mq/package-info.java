/**
 * The engine room of the block layer: the machinery that carries a request from submission to completion. Not exported. Each sealed type of
 * the door, {@link io.blkmq.core.driver}, has its one implementation here, so that a reader of the door sees a contract and the JIT compiler
 * sees one class:
 *
 * <table>
 * <caption>door and engine room</caption>
 * <tr><th>door</th><th>engine room</th><th>kernel</th></tr>
 * <tr><td>{@link io.blkmq.core.driver.RequestQueue}</td><td>{@link io.blkmq.core.mq.DeviceQueue}</td><td>{@code request_queue}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.Request}</td><td>{@link io.blkmq.core.mq.TagRequest}</td><td>{@code request}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.HardwareContext}</td><td>{@link io.blkmq.core.mq.DispatchContext}</td><td>{@code blk_mq_hw_ctx}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.SoftwareContext}</td><td>{@link io.blkmq.core.mq.EntryContext}</td><td>{@code blk_mq_ctx}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.TagSet}</td><td>{@link io.blkmq.core.mq.RequestPool}</td><td>{@code blk_mq_tag_set}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.RequestBatch}</td><td>{@link io.blkmq.core.mq.Batch}</td><td>{@code blk_plug}</td></tr>
 * <tr><td>{@link io.blkmq.core.driver.CompletionBatch}</td><td>{@link io.blkmq.core.mq.Trampoline}</td><td></td></tr>
 * <tr><td>{@link io.blkmq.core.driver.QueueMap}</td><td>{@link io.blkmq.core.mq.TypeMap}</td><td>{@code blk_mq_queue_map}</td></tr>
 * </table>
 *
 * <p>The engine keeps its fields of a bio and of a plug in sealed superclasses of these, {@link io.blkmq.core.mq.BioState} and
 * {@link io.blkmq.core.mq.Batch}.
 *
 * <p>To follow an I/O, read {@code DeviceQueue.submit}, {@code Tags.get}, {@code DispatchContext.issue}, {@code TagRequest.complete} and
 * {@code Trampoline}, in this order.
 */
package io.blkmq.core.mq;
