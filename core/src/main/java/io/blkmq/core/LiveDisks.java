package io.blkmq.core;

import io.blkmq.core.counters.CountersFile;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/** The devices of this process. They are not kept from being collected by that. Thread-safe. */
final class LiveDisks {
    private static final Set<Entry> ENTRIES = ConcurrentHashMap.newKeySet();
    private static final ReferenceQueue<Disk> COLLECTED = new ReferenceQueue<>();
    private static final AtomicLong NUMBER = new AtomicLong();

    private LiveDisks() {}

    /** Opens the counters file with the first disk. Not with the outer class: the file's timer asks that for its disks. */
    private static final class FirstDisk {
        static {
            CountersFile.openIfAsked();
        }

        private FirstDisk() {}

        static void isThere() {}
    }

    private static final class Entry extends WeakReference<Disk> {
        private final long number;

        Entry(Disk disk) {
            super(disk, COLLECTED);
            this.number = NUMBER.incrementAndGet();
        }

        boolean isOpen() {
            Disk disk = get();
            return disk != null && !disk.isClosed();
        }

        Stream<Disk> disk() {
            Disk disk = get();
            return disk == null ? Stream.empty() : Stream.of(disk);
        }
    }

    static void add(Disk disk) {
        for (Reference<? extends Disk> gone = COLLECTED.poll(); gone != null; gone = COLLECTED.poll()) {
            ENTRIES.remove(gone);
        }
        ENTRIES.add(new Entry(disk));
        FirstDisk.isThere();
    }

    static void remove(Disk disk) {
        ENTRIES.removeIf(entry -> entry.refersTo(disk));
    }

    static List<Disk> all() {
        return ENTRIES.stream().filter(Entry::isOpen).sorted(Comparator.comparingLong(entry -> entry.number))
                .flatMap(Entry::disk).toList();
    }
}
