package io.blkmq.aio;

import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/**
 * How a channel is opened: the options as {@link java.nio.channels.FileChannel#open} takes them.
 *
 * @param read whether for reading
 * @param write whether for writing
 * @param append whether each write goes to the end
 * @param direct whether past the page cache
 * @param deleteOnClose whether the file's name goes
 * @param file what is asked of the file
 */
record ChannelOpening(boolean read, boolean write, boolean append, boolean direct, boolean deleteOnClose,
        Set<AioFile.Option> file) {

    private static final String POSSIBLE = "READ, WRITE, APPEND, CREATE, CREATE_NEW, TRUNCATE_EXISTING, DELETE_ON_CLOSE, SPARSE, SYNC,"
            + " DSYNC and DIRECT are possible";

    /** Of a path. What changes the file is passed over where it is opened for reading only, as the JDK does. */
    static ChannelOpening of(Path path, Collection<? extends OpenOption> options) {
        Set<OpenOption> standard = new HashSet<>();
        boolean direct = false;
        for (OpenOption option : options) {
            Objects.requireNonNull(option, "option");
            if (isDirect(option)) {
                direct = true;
            } else if (option instanceof StandardOpenOption) {
                standard.add(option);
            } else {
                throw new UnsupportedOperationException(path + " cannot be opened with " + option + ": " + POSSIBLE);
            }
        }
        boolean append = standard.contains(StandardOpenOption.APPEND);
        boolean write = append || standard.contains(StandardOpenOption.WRITE);
        boolean read = standard.contains(StandardOpenOption.READ) || !write;
        if (append && read) {
            throw new IllegalArgumentException(path + " cannot be opened with READ and APPEND");
        }
        if (append && standard.contains(StandardOpenOption.TRUNCATE_EXISTING)) {
            throw new IllegalArgumentException(path + " cannot be opened with APPEND and TRUNCATE_EXISTING");
        }
        Set<AioFile.Option> file = new HashSet<>();
        if (write) {
            for (AioFile.Option option : AioFile.Option.values()) {
                if (standard.contains(StandardOpenOption.valueOf(option.name()))) {
                    file.add(option);
                }
            }
        }
        return new ChannelOpening(read, write, append, direct, standard.contains(StandardOpenOption.DELETE_ON_CLOSE),
                file);
    }

    /** Of a channel without a position, where the JDK knows no append. */
    static ChannelOpening ofAsynchronous(Path path, Collection<? extends OpenOption> options) {
        refuseAppend(path, options);
        return of(path, options);
    }

    /** The same for a channel without a position. */
    static ChannelOpening ofAsynchronous(AioFile file, Collection<? extends OpenOption> options) {
        refuseAppend(file.path(), options);
        return of(file, options);
    }

    private static void refuseAppend(Path path, Collection<? extends OpenOption> options) {
        if (options.contains(StandardOpenOption.APPEND)) {
            throw new UnsupportedOperationException(path
                    + " cannot be opened with APPEND as an asynchronous channel: each of its operations has its position");
        }
    }

    /** Of a file that is open already: how much of what it is open for a channel may do. */
    static ChannelOpening of(AioFile file, Collection<? extends OpenOption> options) {
        boolean read = false;
        boolean write = false;
        boolean append = false;
        for (OpenOption option : options) {
            if (option == StandardOpenOption.READ) {
                read = true;
            } else if (option == StandardOpenOption.WRITE) {
                write = true;
            } else if (option == StandardOpenOption.APPEND) {
                append = true;
            } else {
                throw new UnsupportedOperationException("a channel of " + file + " cannot be opened with " + option
                        + ": the file is open, and READ, WRITE and APPEND are possible");
            }
        }
        if (append && read) {
            throw new IllegalArgumentException("a channel of " + file + " cannot be opened with READ and APPEND");
        }
        if ((append || write) && !file.isWritable()) {
            throw new IllegalArgumentException("a channel of " + file + " cannot be opened with " + options
                    + ": the file is open for reading only");
        }
        boolean all = !read && !write && !append;
        return new ChannelOpening(read || all, write || append || (all && file.isWritable()), append, file.isDirect(),
                false, Set.of());
    }

    /** Ours, or the JDK's, which by its type would cost a warning. */
    private static boolean isDirect(OpenOption option) {
        return option == AioOpenOption.DIRECT || (option.toString().equals("DIRECT") && option instanceof Enum<?> of
                && of.getDeclaringClass().getName().equals("com.sun.nio.file.ExtendedOpenOption"));
    }

    /** A block device is not claimed: the JDK claims none. */
    AioFile.Access access() {
        return write ? AioFile.Access.READ_WRITE_SHARED : AioFile.Access.READ_ONLY;
    }
}
