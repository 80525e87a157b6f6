/** Races of the loop driver. In its package, on the class path, since they need what it does not export. */
@NullMarked
package io.blkmq.aio;

import org.jspecify.annotations.NullMarked;
