/** Race tests of the machinery below the types that are exported. */
@NullMarked
package io.blkmq.stress;

import org.jspecify.annotations.NullMarked;
