package io.blkmq.loop;

import java.util.EnumSet;
import java.util.Set;

/**
 * The status of a bound device, which can be read and changed ({@link LoopDevice#status}, {@link LoopDevice#setStatus}). Immutable. The kernel's
 * counterpart is {@code struct loop_info64}.
 *
 * @param offsetBytes where in the file the device begins
 * @param sizeLimitBytes its size at the most; 0 for no limit
 * @param flags its flags
 * @param fileName the name that the caller gave the file
 * @since 0.1.0
 */
public record LoopStatus(long offsetBytes, long sizeLimitBytes, Set<LoopFlag> flags, String fileName) {
    /** Copies the flags. */
    public LoopStatus {
        flags = Set.copyOf(flags);
    }

    /**
     * The same with another offset.
     *
     * @param bytes where in the file the device begins
     * @return a new status
     */
    public LoopStatus withOffsetBytes(long bytes) {
        return new LoopStatus(bytes, sizeLimitBytes, flags, fileName);
    }

    /**
     * The same with another limit.
     *
     * @param bytes its size at the most; 0 for no limit
     * @return a new status
     */
    public LoopStatus withSizeLimitBytes(long bytes) {
        return new LoopStatus(offsetBytes, bytes, flags, fileName);
    }

    /**
     * The same with a flag set or cleared.
     *
     * @param flag which
     * @param set whether it is to be set
     * @return a new status
     */
    public LoopStatus with(LoopFlag flag, boolean set) {
        Set<LoopFlag> changed = EnumSet.noneOf(LoopFlag.class);
        changed.addAll(flags);
        if (set) {
            changed.add(flag);
        } else {
            changed.remove(flag);
        }
        return new LoopStatus(offsetBytes, sizeLimitBytes, changed, fileName);
    }

    /**
     * The same with another name.
     *
     * @param name the name that the caller gives the file
     * @return a new status
     */
    public LoopStatus withFileName(String name) {
        return new LoopStatus(offsetBytes, sizeLimitBytes, flags, name);
    }

    /**
     * The flags as the kernel has them.
     *
     * @return the bits together
     */
    public int flagBits() {
        int bits = 0;
        for (LoopFlag flag : flags) {
            bits |= flag.bit();
        }
        return bits;
    }
}
