package io.blkmq.testing.runs;

/** What was run of a class of tests. */
final class Tally {
    /** How many times. */
    int rounds;
    /** How many tests, or samples of race tests. */
    long runs;
    /** How many of them the machine lacks something for. */
    long skipped;
    /** How many seeds were drawn: one may make thousands of programs. */
    long seeds;
    int failures;
    long millis;
}
