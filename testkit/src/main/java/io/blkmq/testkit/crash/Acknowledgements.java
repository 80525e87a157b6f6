package io.blkmq.testkit.crash;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;

/**
 * The list to which a workload adds what it has been promised. Each addition is noted in the record of what happens to the storage, and so
 * has its place among those events. Thread-safe by its monitor.
 *
 * @param <T> what is acknowledged
 */
public final class Acknowledgements<T> extends AbstractList<T> {
    private static final int TOLD_MAX = 5;

    private final IntConsumer note;
    private final List<T> list = new ArrayList<>();
    private boolean over;

    /**
     * An empty list.
     *
     * @param note is told how many there are, each time there is one more
     */
    public Acknowledgements(IntConsumer note) {
        this.note = note;
    }

    @Override
    public synchronized boolean add(T what) {
        if (over) {
            throw new IllegalStateException("the workload has ended: " + what + " is acknowledged too late");
        }
        list.add(what);
        note.accept(list.size());
        return true;
    }

    @Override
    public synchronized T get(int index) {
        return list.get(index);
    }

    @Override
    public synchronized int size() {
        return list.size();
    }

    /**
     * Takes no more.
     *
     * @return all of them
     */
    public synchronized List<T> end() {
        over = true;
        return List.copyOf(list);
    }

    /**
     * Tells the first so many acknowledgements to the reader of a report.
     *
     * @param all of them
     * @return the text for each count
     */
    public static IntFunction<String> teller(List<?> all) {
        return count -> {
            List<?> some = all.subList(Math.max(0, count - TOLD_MAX), count);
            return count + (count == 0 ? "" : count > TOLD_MAX ? ", the last are " + some : " " + some);
        };
    }
}
