package io.blkmq.nbd.socket;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What threads hand over to a loop's thread, without a lock and without an allocation: any thread adds, and the loop takes all that there
 * is at once. The atomic steps also hand over what was written to an item before it was added.
 *
 * @param <T> what is handed over; one that was added belongs to the loop's thread, and may be added again once it is taken
 */
public final class HandOver<T extends HandOver.Item<T>> {
    /**
     * What can be handed over.
     *
     * @param <T> its own type
     */
    public interface Item<T> {
        /**
         * The one that was added before. Written by the thread that adds before it does, read by the one that takes.
         *
         * @return null for none
         */
        @Nullable
        T before();

        /**
         * Sets the one that was added before.
         *
         * @param item null for none
         */
        void before(@Nullable T item);
    }

    private final AtomicReference<@Nullable T> newest = new AtomicReference<>();

    /** Makes one that is empty. */
    public HandOver() {}

    /**
     * Adds an item. Any thread.
     *
     * @param item not added yet
     * @return whether it was empty before: then nobody else has reason to wake the loop for what is here
     */
    public boolean add(T item) {
        T before;
        do {
            before = newest.get();
            item.before(before);
        } while (!newest.compareAndSet(before, item));
        return before == null;
    }

    /**
     * Whether nothing is here.
     *
     * @return false once something was added
     */
    public boolean isEmpty() {
        return newest.get() == null;
    }

    /**
     * Takes all, in the order in which they were added. The loop's thread.
     *
     * @param taker gets each; may have it added again. What it throws is thrown once the others are taken, too
     * @return whether there was something
     */
    public boolean takeAll(Consumer<T> taker) {
        T from = newest.getAndSet(null);
        T oldest = null;
        while (from != null) {
            T before = from.before();
            from.before(oldest);
            oldest = from;
            from = before;
        }
        boolean some = oldest != null;
        while (oldest != null) {
            T after = oldest.before();
            oldest.before(null);
            try {
                taker.accept(oldest);
            } catch (RuntimeException | Error e) {
                // Those behind it are in no list any more: nobody else would take them.
                takeRest(after, taker, e);
                throw e;
            }
            oldest = after;
        }
        return some;
    }

    private static <T extends Item<T>> void takeRest(@Nullable T first, Consumer<T> taker, Throwable failure) {
        T item = first;
        while (item != null) {
            T after = item.before();
            item.before(null);
            try {
                taker.accept(item);
            } catch (RuntimeException | Error e) {
                failure.addSuppressed(e);
            }
            item = after;
        }
    }
}
