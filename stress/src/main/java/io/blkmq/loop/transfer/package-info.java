/** Races of transfer functions. In their package, on the class path, since they need what it does not export. */
@NullMarked
package io.blkmq.loop.transfer;

import org.jspecify.annotations.NullMarked;
