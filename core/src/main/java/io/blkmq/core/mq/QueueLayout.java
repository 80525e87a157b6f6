package io.blkmq.core.mq;

import io.blkmq.core.driver.QueueType;

/**
 * How many hardware contexts of each type a tag set has. They are numbered type after type.
 *
 * @param defaults at least 1
 * @param reads 0 or more
 * @param polls 0 or more
 */
public record QueueLayout(int defaults, int reads, int polls) {
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
