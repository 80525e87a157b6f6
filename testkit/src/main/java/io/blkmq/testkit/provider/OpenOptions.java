package io.blkmq.testkit.provider;

import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/** How a file is to be opened. Immutable. */
final class OpenOptions {
    private final Set<StandardOpenOption> options = EnumSet.noneOf(StandardOpenOption.class);
    private final boolean noFollow;

    /**
     * Checks them; without one that reads or writes the file is opened to be read.
     *
     * @throws IllegalArgumentException if two contradict each other
     * @throws UnsupportedOperationException if one is unknown
     */
    OpenOptions(Set<? extends OpenOption> given) {
        boolean isLinkKept = false;
        for (OpenOption option : given) {
            switch (Objects.requireNonNull(option, "an open option is null")) {
                case StandardOpenOption standard -> options.add(standard);
                case LinkOption.NOFOLLOW_LINKS -> isLinkKept = true;
                default -> throw new UnsupportedOperationException("open option " + option + " is not known here");
            }
        }
        this.noFollow = isLinkKept;
        if (has(StandardOpenOption.APPEND)) {
            refuseBeside(StandardOpenOption.READ);
            refuseBeside(StandardOpenOption.TRUNCATE_EXISTING);
            options.add(StandardOpenOption.WRITE);
        }
        if (!writes()) {
            options.add(StandardOpenOption.READ);
        }
    }

    private void refuseBeside(StandardOpenOption other) {
        if (has(other)) {
            throw new IllegalArgumentException("APPEND and " + other + " contradict each other");
        }
    }

    private boolean has(StandardOpenOption option) {
        return options.contains(option);
    }

    boolean reads() {
        return has(StandardOpenOption.READ);
    }

    boolean writes() {
        return has(StandardOpenOption.WRITE);
    }

    boolean appends() {
        return has(StandardOpenOption.APPEND);
    }

    boolean truncates() {
        return writes() && has(StandardOpenOption.TRUNCATE_EXISTING);
    }

    /** Whether a file is made if there is none; who only reads makes none. */
    boolean creates() {
        return writes() && (has(StandardOpenOption.CREATE) || createsNew());
    }

    boolean createsNew() {
        return writes() && has(StandardOpenOption.CREATE_NEW);
    }

    boolean deletes() {
        return has(StandardOpenOption.DELETE_ON_CLOSE);
    }

    /** Whether each write is followed by a sync. */
    boolean syncs() {
        return has(StandardOpenOption.SYNC) || has(StandardOpenOption.DSYNC);
    }

    boolean syncsDataOnly() {
        return !has(StandardOpenOption.SYNC);
    }

    boolean followsLinks() {
        return !createsNew() && !refusesLinks();
    }

    /** Whether a symbolic link fails to be opened; who asks for CREATE_NEW does not look for that, even if he only reads. */
    boolean refusesLinks() {
        return !has(StandardOpenOption.CREATE_NEW) && (noFollow || deletes());
    }

    /** What the mode of the file has to grant. */
    int rights() {
        return (reads() ? Credentials.READ : 0) | (writes() ? Credentials.WRITE : 0);
    }

    @Override
    public String toString() {
        return options.toString();
    }
}
