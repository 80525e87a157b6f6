/**
 * What the channels over a disk and those over a file have in common: how they answer as the JDK's channels of files do. For
 * {@code io.blkmq.core} and {@code io.blkmq.aio} alone.
 */
@NullMarked
package io.blkmq.runtime.channel;

import org.jspecify.annotations.NullMarked;
