/**
 * Transfer functions change data on its way between a disk and its file: {@code none} and {@code xor}, as the kernel's loop device
 * once had them, {@code aes-xts}, and functions of other authors ({@link io.blkmq.loop.transfer.TransferFunction}).
 */
package io.blkmq.loop.transfer;
