/**
 * Disks over the network block device protocol (NBD). {@link io.blkmq.nbd.NbdServer} lets other programs, and the Linux kernel, use any
 * {@link io.blkmq.core.Disk}.
 */
package io.blkmq.nbd;
