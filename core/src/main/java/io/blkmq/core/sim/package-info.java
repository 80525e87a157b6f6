/**
 * Time and threads under a test's control: simulated threads that run one at a time in an order that a seed chooses, on a clock
 * that nobody waits for. For tests of what is built on the block layer, by way of the testkit.
 */
package io.blkmq.core.sim;
