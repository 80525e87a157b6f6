package io.blkmq.aio;

import io.blkmq.testing.channel.ChannelSubject;
import io.blkmq.testing.channel.FileOpener;
import io.blkmq.testing.channel.JdkSubject;
import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A file of 1 MiB under the channels of an engine. */
final class EngineSubject extends ChannelSubject {
    private final Setup setup;
    private final AioEngine engine;
    private final FileOpener opener;
    private final Path path;

    private EngineSubject(Setup setup, AioEngine engine, Path path) {
        this.setup = setup;
        this.engine = engine;
        this.path = path;
        this.opener = new Opener(engine, setup.direct());
    }

    /** All ways that move data and serve more than one thread. */
    static List<Setup> setups() throws IOException {
        return Setup.all().stream()
                .filter(setup -> setup.movesData() && !setup.isPolled() && setup.variant() == Setup.Variant.PLAIN)
                .toList();
    }

    static EngineSubject of(Setup setup) throws IOException {
        setup.assumeAvailable();
        AioEngine engine = setup.open(AioEngineConfig.builder());
        Path path = JdkSubject.newFile(Files.createTempFile(setup.directory(), "blkmq-channel", ".img"));
        return new EngineSubject(setup, engine, path);
    }

    /** Opens files by an engine, past the page cache or not. */
    record Opener(AioEngine engine, boolean direct) implements FileOpener {
        @Override
        public FileChannel open(Path path, OpenOption... options) throws IOException {
            return AioFiles.openChannel(engine, path, all(options));
        }

        @Override
        public AsynchronousFileChannel openAsync(Path path, OpenOption... options) throws IOException {
            return AioFiles.openAsynchronousChannel(engine, path, Thread::startVirtualThread, all(options));
        }

        private OpenOption[] all(OpenOption... options) {
            List<OpenOption> all = new ArrayList<>(Arrays.asList(options));
            if (direct) {
                all.add(AioOpenOption.DIRECT);
            }
            return all.toArray(OpenOption[]::new);
        }
    }

    @Override
    public Family family() {
        return Family.ENGINE;
    }

    @Override
    public FileChannel open(OpenOption... options) throws IOException {
        return opener.open(path, orBoth(options));
    }

    @Override
    public AsynchronousFileChannel openAsync(OpenOption... options) throws IOException {
        return opener.openAsync(path, orBoth(options));
    }

    @Override
    public void reset() throws IOException {
        try (FileChannel channel = open()) {
            renew(channel);
        }
    }

    @Override
    public void close() throws IOException {
        engine.close();
        Files.delete(path);
    }

    @Override
    public String toString() {
        return setup.toString();
    }
}
