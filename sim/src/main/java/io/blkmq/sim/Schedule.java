package io.blkmq.sim;

/**
 * What a simulation that went well did.
 *
 * @param seed what it was chosen by
 * @param digest a hash of every step: who took it, which it was, and when. The same for the same seed and the same program
 * @param steps how many steps there were
 * @param switches how many times another thread went on
 * @param nanos the virtual time at the end
 * @since 0.1.0
 */
public record Schedule(long seed, long digest, long steps, long switches, long nanos) {}
