/**
 * Images of Ceph's block device RBD as files of an engine: {@link io.blkmq.rbd.RbdAddress the name of an image}, and
 * {@link io.blkmq.rbd.RbdEngineProvider what provides the engine}, which {@link io.blkmq.aio.AioEngines} finds by itself.
 */
package io.blkmq.rbd;
