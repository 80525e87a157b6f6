/** How a failure is told to the log by code that has to go on: for the modules of blkmq alone. */
@NullMarked
package io.blkmq.runtime.log;

import org.jspecify.annotations.NullMarked;
