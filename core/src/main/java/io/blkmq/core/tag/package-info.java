/** The bitmap that tags are taken from, and padding between cache lines. Not exported; stands on {@code io.blkmq.runtime} alone. */
package io.blkmq.core.tag;
