package io.blkmq.aio;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The table of registered files of one ring: a file in it costs the kernel no look-up of its descriptor. A file gets
 * a place with its first operation and loses it when it is closed. The table is sparse and of fixed size; files that
 * find it full use their descriptor.
 *
 * <p>{@link #add}, and what {@link #forget} hands to {@code whenAllowed}, run where the ring may be registered with:
 * one at a time.
 */
final class FileTable {

    /** Files of one ring that can be registered at a time, at the most. */
    static final int FILES_MAX = 1023;

    private final Uring ring;
    private final Consumer<Runnable> whenAllowed;
    private final @Nullable NativeFile[] files;
    /** Where to look for a free place first. */
    private int hint;
    private int count;
    /** The kernel has refused a file, and is not asked again. */
    private boolean refused;

    private FileTable(Uring ring, Consumer<Runnable> whenAllowed, int places) {
        this.ring = ring;
        this.whenAllowed = whenAllowed;
        files = new NativeFile[places];
    }

    /**
     * A table for a ring: as large as RLIMIT_NOFILE allows, which limits tables, too; of no place at all where the kernel has
     * no sparse tables (5.19).
     */
    static FileTable of(Uring ring, Consumer<Runnable> whenAllowed) {
        for (int places = FILES_MAX + 1; places > 1; places /= 2) {
            if (ring.registerSparseFiles(places)) {
                return new FileTable(ring, whenAllowed, places - 1);
            }
        }
        return new FileTable(ring, whenAllowed, 0);
    }

    /** Gives a file a place; -1 if there is none. The caller has acquired the file. */
    int add(NativeFile file) {
        if (refused || count == files.length) {
            return -1;
        }
        for (int i = 0; i < files.length; i++) {
            int place = (hint + i) % files.length;
            if (files[place] == null) {
                return put(file, place);
            }
        }
        return -1;
    }

    private int put(NativeFile file, int place) {
        if (!ring.updateFile(place, file.fd())) {
            refused = true;
            return -1;
        }
        count++;
        files[place] = file;
        hint = place + 1;
        file.registered(this, place);
        return place;
    }

    /** A file is about to close. Any thread; done at once, or by the ring's owner with its next call. */
    void forget(int place) {
        whenAllowed.accept(() -> {
            files[place] = null;
            count--;
            ring.updateFile(place, -1);
        });
    }

    /** The ring is about to close, which gives back all it has: only the files need to know. */
    void close() {
        for (int place = 0; place < files.length; place++) {
            NativeFile file = files[place];
            if (file != null) {
                file.unregistered(this);
                files[place] = null;
            }
        }
    }

    int places() {
        return files.length;
    }

    /** The place behind those of files, which is for the {@link RingWitness}. */
    int witnessPlace() {
        return files.length;
    }
}
