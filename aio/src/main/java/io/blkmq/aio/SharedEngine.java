package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The engines that files get which name none: those of the process, each opened when it is first wanted, and never closed. */
final class SharedEngine {

    private static final SharedEngine BUFFERED = new SharedEngine("io_uring", "channel");
    /** libaio does buffered I/O inside of the doorbell: the thread that rings would wait for the device. */
    private static final SharedEngine DIRECT = new SharedEngine("io_uring", "libaio", "channel");
    private static final SharedEngine ANY_PROVIDER = new SharedEngine("channel");

    /** One of a kind is enough. Guarded by itself. */
    private static final List<AioEngine> OPENED = new ArrayList<>();

    private final String[] names;
    /** Written with {@link #OPENED} locked, once. */
    private volatile @Nullable AioEngine engine;

    private SharedEngine(String... names) {
        this.names = names;
    }

    /** The engine for a file. */
    static AioEngine of(Path path, boolean direct) throws IOException {
        SharedEngine shared = !path.getFileSystem().equals(FileSystems.getDefault())
                ? ANY_PROVIDER
                : direct ? DIRECT : BUFFERED;
        AioEngine open = shared.engine;
        return open != null ? open : shared.openOnce();
    }

    private AioEngine openOnce() throws IOException {
        synchronized (OPENED) {
            AioEngine open = engine;
            if (open == null) {
                open = oneOfAKind(AioEngines.openFirst(AioEngineConfig.defaults(), names));
                engine = open;
            }
            return open;
        }
    }

    /** With {@link #OPENED} locked. */
    private static AioEngine oneOfAKind(AioEngine opened) {
        for (AioEngine there : OPENED) {
            if (there.name().equals(opened.name())) {
                opened.close();
                return there;
            }
        }
        OPENED.add(opened);
        return opened;
    }
}
