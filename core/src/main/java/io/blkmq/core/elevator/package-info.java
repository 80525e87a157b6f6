/** The elevators that come with the block layer, written against the exported contract alone. */
package io.blkmq.core.elevator;
