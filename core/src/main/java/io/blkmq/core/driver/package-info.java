/**
 * blk-mq: the contract of a driver ({@link io.blkmq.core.driver.BlockDriver}, {@link io.blkmq.core.driver.TagSet},
 * {@link io.blkmq.core.driver.Request}) and, package-private beside it, the machinery that carries a request from submission to
 * completion. The engine lives here because it needs the insides of a request; what it needs of the user's classes it keeps in
 * {@link io.blkmq.core.driver.BioState} and {@link io.blkmq.core.driver.RequestBatch}, their sealed superclasses.
 *
 * <p>To follow an I/O, read {@code RequestQueue.submit}, {@code Tags.get}, {@code HardwareContext.issue},
 * {@code Request.complete}, {@code CompletionBatch}, in this order.
 */
package io.blkmq.core.driver;
