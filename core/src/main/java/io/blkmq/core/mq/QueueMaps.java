package io.blkmq.core.mq;

import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.QueueType;

/** The maps of a queue, one for each type. A type without hardware contexts of its own has the map of {@link QueueType#DEFAULT}. */
record QueueMaps(TypeMap byDefault, TypeMap reads, TypeMap polls) {
    static QueueMaps of(QueueLayout layout, int contexts, BlockDriver driver) {
        TypeMap byDefault = mapped(layout, QueueType.DEFAULT, contexts, driver);
        return new QueueMaps(byDefault,
                layout.reads() > 0 ? mapped(layout, QueueType.READ, contexts, driver) : byDefault,
                layout.polls() > 0 ? mapped(layout, QueueType.POLL, contexts, driver) : byDefault);
    }

    private static TypeMap mapped(QueueLayout layout, QueueType type, int contexts, BlockDriver driver) {
        TypeMap map = layout.newMap(type, contexts);
        driver.mapQueues(map);
        return map;
    }
}
