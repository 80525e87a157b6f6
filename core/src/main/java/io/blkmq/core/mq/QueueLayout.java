package io.blkmq.core.mq;

import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.TagSet;
import java.util.Set;

/**
 * How many hardware contexts of each type a tag set has. They are numbered type after type.
 *
 * @param defaults at least 1
 * @param reads 0 or more
 * @param polls 0 or more
 */
public record QueueLayout(int defaults, int reads, int polls) {
    /**
     * Refuses what no tag set can have.
     *
     * @throws IllegalArgumentException naming the number that is wrong, and its limit
     */
    public void requireWithinLimits() {
        require("hardwareQueues", defaults, 1, TagSet.HARDWARE_QUEUES_MAX);
        require("readQueues", reads, 0, TagSet.HARDWARE_QUEUES_MAX - defaults);
        require("pollQueues", polls, 0, TagSet.HARDWARE_QUEUES_MAX - defaults - reads);
    }

    /**
     * Refuses a polled tag set whose driver may block, or which has hardware contexts of more types than one.
     *
     * @param flags of the tag set
     * @throws IllegalArgumentException if so
     */
    public void requirePolledAlike(Set<TagSet.Flag> flags) {
        if (flags.contains(TagSet.Flag.POLLED) && (flags.contains(TagSet.Flag.BLOCKING) || reads > 0 || polls > 0)) {
            throw new IllegalArgumentException(
                    "POLLED is for drivers that do not block, and whose queues are all alike: flags " + flags + ", "
                            + reads + " read queues, " + polls + " poll queues");
        }
    }

    private static void require(String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
        }
    }

    int total() {
        return defaults + reads + polls;
    }

    QueueType typeOf(int hctxIndex) {
        if (hctxIndex < defaults) {
            return QueueType.DEFAULT;
        }
        return hctxIndex < defaults + reads ? QueueType.READ : QueueType.POLL;
    }

    /** A map of a type that has contexts of its own. */
    TypeMap newMap(QueueType type, int contexts) {
        return switch (type) {
            case DEFAULT -> new TypeMap(type, contexts, 0, defaults);
            case READ -> new TypeMap(type, contexts, defaults, reads);
            case POLL -> new TypeMap(type, contexts, defaults + reads, polls);
        };
    }

    @Override
    public String toString() {
        return defaults + " default, " + reads + " read, " + polls + " poll";
    }
}
