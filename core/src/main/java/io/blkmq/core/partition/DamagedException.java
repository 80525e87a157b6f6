package io.blkmq.core.partition;

import java.io.Serial;

/** Something on the disk cannot be what it should be. Never leaves the package. */
final class DamagedException extends Exception {
    @Serial
    private static final long serialVersionUID = 1L;

    DamagedException(String what) {
        super(what, null, false, false);
    }
}
