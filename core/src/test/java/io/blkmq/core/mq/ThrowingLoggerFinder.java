package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Disk;
import io.blkmq.core.driver.TagSet;
import java.util.ResourceBundle;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The loggers of a process whose logging is broken: those of blkmq throw whatever they are told. {@link Program} runs with it. */
public final class ThrowingLoggerFinder extends System.LoggerFinder {
    /** Made by the JDK. */
    public ThrowingLoggerFinder() {}

    @Override
    public System.Logger getLogger(String name, Module module) {
        return new Throwing(name);
    }

    private record Throwing(String name) implements System.Logger {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        private void fail() {
            if (name.startsWith("io.blkmq")) {
                throw new IllegalStateException("a logger that throws");
            }
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String message,
                @Nullable Throwable thrown) {
            fail();
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String format,
                @Nullable Object... parameters) {
            fail();
        }
    }

    /** Two bios in one request, and the completion of the first throws. Prints how they ended. */
    static final class Program {
        private Program() {}

        public static void main(String[] arguments) {
            RecordingDriver driver = new RecordingDriver();
            Told told = new Told();
            try (Disk disk = merging(driver)) {
                submitMerged(disk, told, _ -> {
                    throw new IllegalArgumentException("on purpose");
                });
                driver.completeAll();
                System.out.println(told.ends() + " " + disk.queue().heldTags() + " "
                        + disk.queue().close(TimeUnit.SECONDS.toNanos(1)));
            }
        }
    }

    /** A disk whose neighbouring bios become one request. */
    static Disk merging(RecordingDriver driver) {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        return Disk.of(driver.queue(set, "rec0"), set);
    }

    /** Submits two neighbours that become one request, of which the first is told to a completion of its own. */
    static void submitMerged(Disk disk, Told told, BioCompletion first) {
        Bio throwing = told.read(0).onEnd(first);
        disk.queue().hardwareContext(0).stop();
        disk.submit(throwing);
        disk.submit(told.read(1));
        disk.queue().hardwareContext(0).start();
    }
}
