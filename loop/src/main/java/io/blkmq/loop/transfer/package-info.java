/**
 * Transfer functions: what stands in the backing file in place of what the disk's user wrote. {@code none}, {@code xor}, as the
 * kernel's loop device once had them, {@code aes-xts}, and those of other authors ({@link io.blkmq.loop.transfer.TransferFunction}).
 */
package io.blkmq.loop.transfer;
