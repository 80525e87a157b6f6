/**
 * Time and threads under a test's control: simulated threads that run one at a time in an order that a seed chooses, on a clock
 * that no thread waits for; random programs, which are shortened when they fail; and a checker of durability.
 */
package io.blkmq.sim;
