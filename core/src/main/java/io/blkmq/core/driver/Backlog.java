package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Bios that could not go on and whose thread may not wait, in the order in which they came. Guarded by the lock; the length is
 * volatile for those who only look: who puts a bio here looks after that once more whether it could go on, who frees something
 * does so and then looks here.
 */
final class Backlog {
    private final Lock lock;
    private final ArrayDeque<Bio> bios = new ArrayDeque<>();
    private volatile int size;
    private final TagSet set;

    Backlog(TagSet set) {
        this.set = set;
        this.lock = set.runtime().newLock();
    }

    boolean isEmpty() {
        return size == 0;
    }

    int size() {
        return size;
    }

    void add(Bio bio, SoftwareContext ctx) {
        BioState state = bio;
        state.context = ctx;
        lock.lock();
        try {
            bios.addLast(bio);
            if (bios.size() == 1) {
                set.backlogBegins();
            }
            size = bios.size();
        } finally {
            lock.unlock();
        }
    }

    @Nullable
    Bio poll() {
        lock.lock();
        try {
            Bio bio = bios.pollFirst();
            if (bio != null && bios.isEmpty()) {
                set.backlogEnds();
            }
            size = bios.size();
            return bio;
        } finally {
            lock.unlock();
        }
    }
}
