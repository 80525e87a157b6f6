package io.blkmq.core.tag;

/**
 * Keeps the fields of an object away from those of the object before it in memory, so that threads which write one each do not
 * share a cache line: two lines, since processors fetch them in pairs. Objects that are all of one such class and lie behind each
 * other are all apart.
 */
@SuppressWarnings("unused")
public abstract class CacheLines {
    private long p00;
    private long p01;
    private long p02;
    private long p03;
    private long p04;
    private long p05;
    private long p06;
    private long p07;
    private long p08;
    private long p09;
    private long p10;
    private long p11;
    private long p12;
    private long p13;
    private long p14;
    private long p15;

    /** For objects that threads write beside each other. */
    protected CacheLines() {}
}
