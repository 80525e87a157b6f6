package io.blkmq.core.mq;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * How the numbers of a tag set's hardware contexts change: under its lock for changes, while all of its queues are frozen and their elevators set
 * aside. Everything that can fail is made before anything that is in use goes.
 */
final class PoolChange {
    private final PoolParts parts;
    private final List<DeviceQueue> queues;

    /**
     * For one change.
     *
     * @param queues all that the tag set has
     */
    PoolChange(PoolParts parts, List<DeviceQueue> queues) {
        this.parts = parts;
        this.queues = queues;
    }

    /**
     * Carries it out.
     *
     * @throws IOException if it cannot be done; then all is as before
     */
    void to(QueueLayout wanted) throws IOException {
        queues.forEach(DeviceQueue::freezeStart);
        try {
            queues.forEach(queue -> queue.freezeWait(Long.MAX_VALUE));
            queues.forEach(queue -> queue.elevators().setAside());
            int before = parts.tags.length;
            parts.addTags(wanted.total());
            try {
                changeContexts(wanted);
            } catch (Throwable t) {
                parts.dropTags(before);
                throw t;
            }
            parts.layout = wanted;
            parts.dropTags(wanted.total());
        } catch (IOException e) {
            throw new IOException("hardware queues could not be changed from " + parts.layout + " to " + wanted
                    + " and stay as they are: " + e.getMessage(), e);
        } finally {
            for (DeviceQueue queue : queues) {
                queue.elevators().takeBack();
                queue.unfreeze();
            }
        }
    }

    private void changeContexts(QueueLayout wanted) throws IOException {
        List<DispatchContext[]> contexts = new ArrayList<>();
        List<QueueMaps> maps = new ArrayList<>();
        try {
            for (DeviceQueue queue : queues) {
                contexts.add(queue.contextsOf().newContexts(wanted));
                maps.add(queue.contextsOf().newMaps(wanted));
            }
        } catch (Throwable t) {
            for (int i = 0; i < contexts.size(); i++) {
                queues.get(i).contextsOf().exitContexts(contexts.get(i), queues.get(i).hardwareContexts());
            }
            throw t;
        }
        for (int i = 0; i < queues.size(); i++) {
            queues.get(i).contextsOf().useContexts(contexts.get(i), maps.get(i), wanted);
        }
    }
}
