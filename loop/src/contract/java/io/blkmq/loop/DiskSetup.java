package io.blkmq.loop;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.Disk;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One disk to run the contract on, and the form in which its I/O is done. Each module with disks that loop devices do not have has a class {@code DiskSetups}
 * that lists its own.
 */
record DiskSetup(Device device, DiskForm form) {
    /** The size of each disk. */
    static final int BYTES = 2 << 20;

    /** A disk that begins with any content. */
    interface Device {
        Disk open(Path directory) throws IOException;
    }

    static List<DiskSetup> all() throws IOException {
        List<DiskSetup> all = new ArrayList<>();
        for (Device device : DiskSetups.devices()) {
            for (DiskForm form : DiskForm.values()) {
                all.add(new DiskSetup(device, form));
            }
        }
        return all;
    }

    /** Opens the disk. Skips the test, and says why, where it cannot be had here. */
    Disk open(Path directory) throws IOException {
        return device.open(directory);
    }

    static void skipUnless(boolean possible, String reason) {
        if (!possible) {
            IO.println("skipped: " + reason);
        }
        assumeTrue(possible, reason);
    }

    @Override
    public String toString() {
        return device + ", " + form;
    }
}
