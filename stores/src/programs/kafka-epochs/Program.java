import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ScheduledFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.server.util.Scheduler;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;

/** Kafka's file of leader epochs: an epoch that was assigned is kept, also while older ones are taken out. */
public final class Program implements StoreProgram {
    private static final int EPOCHS = 4;

    /** Runs each task at once, so that the work is the same each time. */
    private static final class AtOnce implements Scheduler {
        @Override
        public void startup() {}

        @Override
        public void shutdown() {}

        @Override
        public ScheduledFuture<?> schedule(String name, Runnable task, long delayMs, long periodMs) {
            task.run();
            return null;
        }

        @Override
        public void resizeThreadPool(int threads) {}
    }

    /** Kafka 3.8 has a third parameter: the scheduler that takes epochs out of the file. */
    private static LeaderEpochFileCache open(Path directory) throws IOException, ReflectiveOperationException {
        Constructor<?> constructor = LeaderEpochFileCache.class.getConstructors()[0];
        Object[] arguments = {new TopicPartition("t", 0),
                new LeaderEpochCheckpointFile(LeaderEpochCheckpointFile.newFile(directory.toFile()), new LogDirFailureChannel(1)), new AtOnce()};
        return (LeaderEpochFileCache) constructor.newInstance(Arrays.copyOf(arguments, constructor.getParameterCount()));
    }

    /** The method is {@code truncateFromStart}, and {@code truncateFromStartAsyncFlush} since Kafka 3.8. */
    private static Method truncation() {
        return Arrays.stream(LeaderEpochFileCache.class.getMethods()).filter(each -> each.getName().startsWith("truncateFromStart"))
                .findFirst().orElseThrow();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) throws IOException, ReflectiveOperationException {
        LeaderEpochFileCache epochs = open(directory);
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            epochs.assign(epoch, 10L * epoch);
            acknowledged.add("" + epoch);
            truncation().invoke(epochs, 10L * epoch);
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException, ReflectiveOperationException {
        int last = open(directory).latestEpoch().orElse(-1);
        if (last < acknowledged.size() - 1) {
            throw new AssertionError("epoch " + (acknowledged.size() - 1) + " was assigned, " + last + " is the last one that is there");
        }
    }
}
