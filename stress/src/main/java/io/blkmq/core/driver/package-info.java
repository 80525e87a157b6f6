/** Race tests of the machinery. In its package, for it is not public. */
@NullMarked
package io.blkmq.core.driver;

import org.jspecify.annotations.NullMarked;
