package io.blkmq.tools.run;

/**
 * How far a run is.
 *
 * @param running how many jobs have not ended
 * @param jobs how many there are
 * @param reads what was read since the last time
 * @param writes what was written since then
 * @param trims what was discarded since then
 * @param intervalNanos how long the last time was ago
 * @param done which part of everything is done, from 0 to 1; below 0 if that is not known
 * @param restNanos how long it will take; below 0 if that is not known
 */
public record Progress(int running, int jobs, Amount reads, Amount writes, Amount trims, long intervalNanos,
        double done, long restNanos) {
    /**
     * Operations of one direction.
     *
     * @param operations how many
     * @param bytes how much they moved
     */
    public record Amount(long operations, long bytes) {
        Amount since(Amount before) {
            return new Amount(operations - before.operations, bytes - before.bytes);
        }

        Amount plus(Amount other) {
            return new Amount(operations + other.operations, bytes + other.bytes);
        }
    }

    /**
     * Operations of all directions.
     *
     * @return their sum
     */
    public Amount all() {
        return reads.plus(writes).plus(trims);
    }
}
