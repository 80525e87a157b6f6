/** Tools that threads take off a shelf and put back, without a lock and without garbage. Not exported. */
package io.blkmq.loop.shelf;
