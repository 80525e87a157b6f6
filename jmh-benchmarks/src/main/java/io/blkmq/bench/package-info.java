/** JMH benchmarks: the block layer without a device, and the loop device with each engine. */
@NullMarked
package io.blkmq.bench;

import org.jspecify.annotations.NullMarked;
