package io.blkmq.core.mq;

import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link TagSet.Builder} has been told, once it is known to be within its limits.
 *
 * @param layout how many hardware contexts of which type
 * @param depth how many requests each is to have
 * @param reservedTags how many of these are reserved
 * @param pduBytes the driver's part of each
 * @param flags properties
 * @param driverData the driver's object
 * @param runtime threads and time
 * @param timeoutNanos how long a request may be in flight before its driver is asked
 * @param completionAffinity where completions of new queues run
 */
public record PoolShape(QueueLayout layout, int depth, int reservedTags, int pduBytes, Set<TagSet.Flag> flags,
        @Nullable Object driverData, IoRuntime runtime, long timeoutNanos, CompletionAffinity completionAffinity) {
    /**
     * Refuses what no tag set can have.
     *
     * @param layout of the tag set
     * @throws IllegalArgumentException naming the number that is wrong, and its limit
     */
    public static void requireWithinLimits(QueueLayout layout) {
        require("hardwareQueues", layout.defaults(), 1, TagSet.HARDWARE_QUEUES_MAX);
        require("readQueues", layout.reads(), 0, TagSet.HARDWARE_QUEUES_MAX - layout.defaults());
        require("pollQueues", layout.polls(), 0, TagSet.HARDWARE_QUEUES_MAX - layout.defaults() - layout.reads());
    }

    private static void require(String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
        }
    }

    /**
     * Refuses a polled tag set whose driver may block, or which has hardware contexts of more types than one.
     *
     * @param layout of the tag set
     * @param flags of the tag set
     * @throws IllegalArgumentException if so
     */
    public static void requirePolledAlike(QueueLayout layout, Set<TagSet.Flag> flags) {
        boolean several = layout.reads() > 0 || layout.polls() > 0;
        if (flags.contains(TagSet.Flag.POLLED) && (flags.contains(TagSet.Flag.BLOCKING) || several)) {
            throw new IllegalArgumentException(
                    "POLLED is for drivers that do not block, and whose queues are all alike: flags " + flags + ", "
                            + layout.reads() + " read queues, " + layout.polls() + " poll queues");
        }
    }
}
