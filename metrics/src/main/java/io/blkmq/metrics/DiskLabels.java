package io.blkmq.metrics;

import io.blkmq.core.Disk;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;

/** The open disks of this process, each under a name that no other has at the time: the second of a name is {@code name (2)}. Thread-safe. */
final class DiskLabels {

    /** A disk keeps its label as long as it lives. Guarded by the monitor; no disk is kept by that. */
    private final Map<Disk, String> known = new WeakHashMap<>();

    /** The open disks, by label. */
    synchronized Map<String, Disk> look() {
        Map<String, Disk> open = new LinkedHashMap<>();
        Set<Disk> unnamed = new HashSet<>();
        for (Disk disk : Disk.live()) {
            String label = known.get(disk);
            if (label == null) {
                unnamed.add(disk);
            } else {
                open.put(label, disk);
            }
        }
        // Those that have a label keep it, whoever comes.
        for (Disk disk : Disk.live()) {
            if (unnamed.contains(disk)) {
                String label = disk.name();
                for (int n = 2; open.containsKey(label); n++) {
                    label = disk.name() + " (" + n + ")";
                }
                known.put(disk, label);
                open.put(label, disk);
            }
        }
        return open;
    }
}
