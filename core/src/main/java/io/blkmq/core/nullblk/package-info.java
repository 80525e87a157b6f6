/**
 * The null block driver: the smallest complete driver, what the block layer is measured with, and the example that an author of a
 * driver reads first.
 */
package io.blkmq.core.nullblk;
