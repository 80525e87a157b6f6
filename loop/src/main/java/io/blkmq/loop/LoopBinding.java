package io.blkmq.loop;

import io.blkmq.core.QueueLimits;
import java.util.EnumSet;
import java.util.Set;

/**
 * What a file is bound as: the state of a device with all that people can set of it. A change makes another binding, and {@link LoopMedium}
 * publishes that by one write. So a thread that only looks sees a state together with the flags, the limit and the size that go with it.
 *
 * <p>Immutable.
 *
 * @param state unbound, bound, or being detached
 * @param flags as LOOP_SET_STATUS knows them, without DIRECT_IO, which the backing knows
 * @param sizeLimitBytes the most that the device takes of its file; 0 for all of it
 * @param fileName what the device calls its file
 * @param blockBytes the logical block
 * @param sectors the device's size as the kernel has it, in sectors of 512 bytes; the disk's is in whole blocks
 */
record LoopBinding(LoopState state, Set<LoopFlag> flags, long sizeLimitBytes, String fileName, int blockBytes,
        long sectors) {
    /** Of a device without a file. */
    static final LoopBinding NONE = new LoopBinding(LoopState.UNBOUND, Set.of(), 0, "", QueueLimits.SECTOR_BYTES, 0);

    /** What LOOP_SET_STATUS may set; AUTOCLEAR alone it may clear. */
    private static final Set<LoopFlag> SETTABLE = Set.of(LoopFlag.AUTOCLEAR, LoopFlag.PARTSCAN);

    LoopBinding in(LoopState next) {
        return new LoopBinding(next, flags, sizeLimitBytes, fileName, blockBytes, sectors);
    }

    LoopBinding of(long nextSectors) {
        return new LoopBinding(state, flags, sizeLimitBytes, fileName, blockBytes, nextSectors);
    }

    LoopBinding inBlocksOf(int nextBytes) {
        return new LoopBinding(state, flags, sizeLimitBytes, fileName, nextBytes, sectors);
    }

    LoopBinding called(long nextLimit, String nextName) {
        return new LoopBinding(state, flags, nextLimit, nextName, blockBytes, sectors);
    }

    LoopBinding with(LoopFlag flag) {
        return flagged(flagsAnd(flag));
    }

    /** With the flags that somebody wants, as far as they can be set or cleared. */
    LoopBinding wanted(Set<LoopFlag> wanted) {
        Set<LoopFlag> then = EnumSet.noneOf(LoopFlag.class);
        then.addAll(flags);
        then.remove(LoopFlag.AUTOCLEAR);
        wanted.stream().filter(SETTABLE::contains).forEach(then::add);
        return flagged(Set.copyOf(then));
    }

    private LoopBinding flagged(Set<LoopFlag> next) {
        return new LoopBinding(state, next, sizeLimitBytes, fileName, blockBytes, sectors);
    }

    boolean has(LoopFlag flag) {
        return flags.contains(flag);
    }

    Set<LoopFlag> flagsAnd(LoopFlag flag) {
        Set<LoopFlag> more = EnumSet.of(flag);
        more.addAll(flags);
        return more;
    }

    /** The disk's size, in sectors: a part of a block at the end is left out, since no I/O of whole blocks would reach it. */
    long wholeBlockSectors() {
        int blockSectors = blockBytes / QueueLimits.SECTOR_BYTES;
        return sectors / blockSectors * blockSectors;
    }
}
