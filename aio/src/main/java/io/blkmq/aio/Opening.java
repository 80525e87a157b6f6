package io.blkmq.aio;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * How a file is opened.
 *
 * @param path the name of the file
 * @param access what the file is opened for
 * @param direct whether I/O goes past the page cache
 * @param options what else is done, or holds
 */
record Opening(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options) {

    static Opening of(Path path, AioFile.Access access, boolean direct, AioFile.Option... options) {
        Set<AioFile.Option> set = EnumSet.noneOf(AioFile.Option.class);
        set.addAll(List.of(options));
        if (access == AioFile.Access.READ_ONLY && !set.isEmpty()) {
            throw new IllegalArgumentException(
                    path + " is to be opened " + access + ": " + set + " needs access for writing");
        }
        return new Opening(path, access, direct, set);
    }

    boolean has(AioFile.Option option) {
        return options.contains(option);
    }

    /** Whether a file that is not there is made. */
    boolean creates() {
        return has(AioFile.Option.CREATE) || has(AioFile.Option.CREATE_NEW);
    }

    /** The same for a file that is there: the next open of it changes nothing about it. */
    Opening again(AioFile.Access nextAccess, boolean nextDirect) {
        Set<AioFile.Option> kept = EnumSet.of(AioFile.Option.DSYNC, AioFile.Option.SYNC);
        kept.retainAll(options);
        return new Opening(path, nextAccess, nextDirect, kept);
    }

    /** The same without an option. */
    Opening without(AioFile.Option option) {
        Set<AioFile.Option> kept = EnumSet.noneOf(AioFile.Option.class);
        kept.addAll(options);
        kept.remove(option);
        return new Opening(path, access, direct, kept);
    }
}
