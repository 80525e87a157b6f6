package io.blkmq.testing;

import java.io.IOException;
import java.nio.file.Path;

/** Unmounts what a test has mounted. */
public final class Unmount {
    private Unmount() {}

    /**
     * Unmounts, as soon as nobody uses it: the kernel lets go of files that were closed in its own time, and others on the machine look
     * at whatever is mounted.
     *
     * @param mounted where
     */
    public static void of(Path mounted) {
        Eventually.until("nobody uses " + mounted, () -> {
            try {
                Command.run("", "umount", mounted.toString());
                return true;
            } catch (IOException e) {
                // It is busy, which each says in its own language.
                assert !e.toString().isEmpty();
                return false;
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
    }
}
