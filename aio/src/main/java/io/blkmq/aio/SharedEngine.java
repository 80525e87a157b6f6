package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The engines that files get which name none: those of the process, each opened when it is first wanted, and not closed. One that the kernel
 * has refused its ring for good is replaced by the next that wants it; files that are open with it have failed.
 */
final class SharedEngine {

    private static final SharedEngine BUFFERED = new SharedEngine("io_uring", "channel");
    /** libaio does buffered I/O inside of the doorbell: the thread that rings would wait for the device. */
    private static final SharedEngine DIRECT = new SharedEngine("io_uring", "libaio", "channel");
    private static final SharedEngine ANY_PROVIDER = new SharedEngine("channel");

    /** One of a kind is enough. Guarded by itself. */
    private static final List<AioEngine> OPENED = new ArrayList<>();

    private final String[] names;
    /** Written with {@link #OPENED} locked. */
    private volatile @Nullable AioEngine engine;

    /** The first of these that works. */
    SharedEngine(String... names) {
        this.names = names;
    }

    /** The engine for a file. */
    static AioEngine of(Path path, boolean direct) throws IOException {
        SharedEngine shared = !path.getFileSystem().equals(FileSystems.getDefault())
                ? ANY_PROVIDER
                : direct ? DIRECT : BUFFERED;
        return shared.open();
    }

    /** The engine, which takes operations as far as anybody knows. */
    AioEngine open() throws IOException {
        AioEngine open = engine;
        return open != null && open.isOpen() ? open : openOnce();
    }

    private AioEngine openOnce() throws IOException {
        synchronized (OPENED) {
            AioEngine open = engine;
            if (open == null || !open.isOpen()) {
                open = oneOfAKind(AioEngines.openFirst(AioEngineConfig.defaults(), names));
                engine = open;
            }
            return open;
        }
    }

    /** With {@link #OPENED} locked. */
    private static AioEngine oneOfAKind(AioEngine opened) {
        for (AioEngine there : List.copyOf(OPENED)) {
            if (!there.isOpen()) {
                boolean _ = OPENED.remove(there);
                // What it had in flight has ended, or is about to; nobody waits for that here.
                Thread _ = Thread.startVirtualThread(there::close);
            } else if (there.name().equals(opened.name())) {
                opened.close();
                return there;
            }
        }
        OPENED.add(opened);
        return opened;
    }

    /** Whether the process still shares an engine; for tests. */
    static boolean isShared(AioEngine engine) {
        synchronized (OPENED) {
            return OPENED.contains(engine);
        }
    }
}
