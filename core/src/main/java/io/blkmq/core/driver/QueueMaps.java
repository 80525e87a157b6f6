package io.blkmq.core.driver;

/** The maps of a queue, one for each type. A type without hardware contexts of its own has the map of {@link QueueType#DEFAULT}. */
record QueueMaps(QueueMap byDefault, QueueMap reads, QueueMap polls) {
    static QueueMaps of(QueueLayout layout, int contexts, BlockDriver driver) {
        QueueMap byDefault = mapped(layout, QueueType.DEFAULT, contexts, driver);
        return new QueueMaps(byDefault,
                layout.reads() > 0 ? mapped(layout, QueueType.READ, contexts, driver) : byDefault,
                layout.polls() > 0 ? mapped(layout, QueueType.POLL, contexts, driver) : byDefault);
    }

    private static QueueMap mapped(QueueLayout layout, QueueType type, int contexts, BlockDriver driver) {
        QueueMap map = layout.newMap(type, contexts);
        driver.mapQueues(map);
        return map;
    }
}
