package io.blkmq.core.nullblk;

import org.jspecify.annotations.Nullable;

/**
 * What one disk has of its own: the data of its queue.
 *
 * @param medium null if it keeps nothing
 * @param throttle null if it has no bound
 */
record NullDevice(@Nullable Medium medium, @Nullable Throttle throttle) {}
