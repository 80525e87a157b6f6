package io.blkmq.bench;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioFiles;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.RingEntry;
import io.blkmq.aio.TaskWork;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.BusySpinIdleStrategy;
import org.agrona.concurrent.IdleStrategy;

/** Something that reads 4 KiB blocks of a file at random, and keeps a number of reads in flight. For one thread. */
interface RandomReads extends AutoCloseable {
    int BLOCK_BYTES = 4096;

    /** Does so many, and leaves fewer than a depth of them in flight. */
    void run(int count) throws IOException;

    /** Ends what is in flight. */
    void drain() throws IOException;

    /** Ends what is in flight, and gives everything back. */
    @Override
    void close() throws IOException;

    /** What is to be measured. */
    record Subject(Map<String, String> options) {

        /** From {@code name=value} arguments. */
        static Subject of(String... arguments) {
            Map<String, String> options = new HashMap<>(
                    Map.of("engine", "io_uring", "mode", "polled", "depth", "64", "batch", "32", "runtime", "5",
                            "direct", "1", "register", "0", "threads", "1", "entry", "submitters"));
            options.putAll(Map.of("taskwork", "default", "sqpoll", "0", "iopoll", "0", "prompt", "1", "spin", "0"));
            Arrays.stream(arguments).map(argument -> argument.split("=", 2))
                    .forEach(pair -> options.put(pair[0], pair[1]));
            return new Subject(options);
        }

        String get(String name) {
            return Objects.requireNonNull(options.get(name), name);
        }

        int number(String name) {
            return Integer.parseInt(get(name));
        }

        boolean is(String name) {
            return get(name).equals("1");
        }

        Path file() {
            return Path.of(get("file"));
        }

        boolean isOurs() {
            return !get("engine").matches("artemis|file-channel|async-channel|aio-channel");
        }

        AioEngine openEngine() throws IOException {
            AioEngineConfig.Builder builder = AioEngineConfig.builder().depth(number("depth"))
                    .completionMode(CompletionMode.valueOf(get("mode").toUpperCase(Locale.ROOT)))
                    .ringEntry(RingEntry.valueOf(get("entry").toUpperCase(Locale.ROOT))).submissionPolling(is("sqpoll"))
                    .completionPolling(is("iopoll")).promptDoorbell(is("prompt"));
            if (!get("taskwork").equals("default")) {
                builder.taskWork(TaskWork.valueOf(get("taskwork").toUpperCase(Locale.ROOT)));
            }
            AioEngine engine = AioEngines.open(get("engine"), builder.build());
            if (engine.completionMode() == CompletionMode.AGENT) {
                // Until the process ends: the agent of a closed engine does nothing.
                IdleStrategy idle = is("spin") ? new BusySpinIdleStrategy() : new BackoffIdleStrategy();
                Thread _ = AgentRunner.startOnThread(
                        new AgentRunner(idle, Throwable::printStackTrace, null, engine.agent()),
                        body -> Thread.ofPlatform().daemon().unstarted(body));
            }
            return engine;
        }

        /** Reads with one of ours. */
        RandomReads reads(AioEngine engine, AioFile file, int seed) throws IOException {
            return new AioLoop(engine, file, file.size(), number("depth"), number("batch"), is("register"), is("spin"),
                    seed);
        }

        /** Reads with one of the others. */
        RandomReads othersReads(int seed) throws IOException {
            return switch (get("engine")) {
                case "artemis" -> new ArtemisReads(file(), number("depth"), seed);
                case "file-channel" ->
                    new FileChannelReads(FileChannel.open(file(), FileChannelReads.options(is("direct"))), seed);
                case "aio-channel" ->
                    new FileChannelReads(AioFiles.openChannel(file(), FileChannelReads.options(is("direct"))), seed);
                case "async-channel" -> new AsyncChannelReads(file(), is("direct"), number("depth"), seed);
                default -> throw new IllegalArgumentException("no " + get("engine"));
            };
        }
    }

    /** Blocks of a file, at random. Allocates nothing once it is made. */
    final class Blocks {
        private final long blocks;
        private long state;

        Blocks(long fileBytes, int seed) {
            blocks = fileBytes / BLOCK_BYTES;
            state = 0x9E3779B97F4A7C15L * (seed + 1);
        }

        long nextOffset() {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            return Math.unsignedMultiplyHigh(state, blocks) * BLOCK_BYTES;
        }
    }
}
