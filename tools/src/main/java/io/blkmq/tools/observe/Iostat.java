package io.blkmq.tools.observe;

import io.blkmq.core.counters.CountersReader;
import io.blkmq.core.counters.DeviceCounters;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Report after report of what devices did: the first since each was made, and each later one since the one before. A device that is new in a report has been there since it
 * was made; one that is gone, or whose process is dead, is in none but the first. One whose figures are not of one time, because its process stands still while it writes them, is left out until they are. For one thread.
 */
public final class Iostat {
    /** A device of a process. The process is named by its file's process and the number of the device there. */
    private record Key(long pid, long id) {}

    private final Processes processes;
    private final String which;
    private Map<Key, DeviceCounters> before = new HashMap<>();
    private boolean first = true;
    private boolean over;

    /**
     * Reports about processes.
     *
     * @param processes where they are
     * @param which the number of one, or {@link Processes#ALL}
     */
    public Iostat(Processes processes, String which) {
        this.processes = processes;
        this.which = which;
    }

    /**
     * The next report.
     *
     * @return a line for each device
     * @throws UsageException if there is no such process, at the first report
     * @throws IOException if the directory cannot be used
     */
    public List<IostatLine> next() throws UsageException, IOException {
        List<IostatLine> lines = new ArrayList<>();
        Map<Key, DeviceCounters> now = new HashMap<>();
        boolean lives = false;
        for (CountersReader reader : open()) {
            try (reader) {
                boolean alive = reader.isAlive();
                lives |= alive;
                for (DeviceCounters device : reader.devices()) {
                    Key key = new Key(reader.pid(), device.identity().id());
                    DeviceCounters earlier = before.get(key);
                    if (alive && !device.isWhole()) {
                        // Its process stands still in the middle. The next report is since the last figures of one time.
                        keep(now, key, earlier);
                        continue;
                    }
                    now.put(key, device);
                    if (alive || first) {
                        lines.add(new IostatLine(reader.pid(), alive, since(earlier, device)));
                    }
                }
            }
        }
        before = now;
        first = false;
        over = !lives && !which.equals(Processes.ALL);
        return lines;
    }

    /**
     * Whether there will be nothing more.
     *
     * @return true if the one process that was asked for had ended at the last report
     */
    public boolean isOver() {
        return over;
    }

    private List<CountersReader> open() throws UsageException, IOException {
        try {
            return processes.open(which);
        } catch (UsageException e) {
            if (first) {
                throw e;
            }
            // It has ended since.
            return List.of();
        }
    }

    private static void keep(Map<Key, DeviceCounters> readings, Key key, @Nullable DeviceCounters earlier) {
        if (earlier != null) {
            readings.put(key, earlier);
        }
    }

    private static DeviceCounters since(@Nullable DeviceCounters earlier, DeviceCounters now) {
        // Another process may have the number by now, and a device of its the number of the device.
        return earlier == null || !now.follows(earlier) ? now : now.since(earlier);
    }
}
