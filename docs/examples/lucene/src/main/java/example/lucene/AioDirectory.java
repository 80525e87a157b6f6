package example.lucene;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AsyncFile;
import io.blkmq.aio.CompletionMode;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.apache.lucene.store.DataAccessHint;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.store.FSLockFactory;
import org.apache.lucene.store.IOContext;
import org.apache.lucene.store.IndexInput;
import org.apache.lucene.store.IndexOutput;
import org.apache.lucene.store.LockFactory;
import org.apache.lucene.store.OutputStreamIndexOutput;
import org.apache.lucene.store.ReadOnceHint;

/**
 * An index in a folder, read and written with direct I/O by an {@link AioEngine}. For indices that are much larger than memory: the page
 * cache keeps nothing of it, and no other program's pages make way for it.
 *
 * <ul>
 * <li>{@link IndexInput#prefetch} only describes a read. The first read of what is not there yet hands all that were described to the
 * kernel, by any thread and of any file of the engine, with one system call.
 * <li>What is read from front to back is read ahead. That is so for merges, and for files that are opened with {@link DataAccessHint#SEQUENTIAL}.
 * <li>{@link #sync} syncs all files at once. {@link #syncMetaData} makes their names durable.
 * </ul>
 *
 * <p>The engine may serve many directories, and stays open longer than each. Where a file system has no direct I/O, files are buffered.
 */
public final class AioDirectory extends FSDirectory {
    /** Read at a time where nothing was prefetched: of random access, of unknown, and from front to back. */
    private static final int RANDOM_BYTES = 4 << 10;
    private static final int WINDOW_BYTES = 16 << 10;
    private static final int AHEAD_BYTES = SharedFile.RANGE_BYTES_MAX;
    private static final int OUTPUT_BYTES = 8 << 10;

    private final AioEngine engine;
    private final boolean direct;
    /** 0 for a size by the context. */
    private final int windowBytes;
    /** From paths of a test framework to those of the system, which an engine opens. */
    private final UnaryOperator<Path> unwrap;
    private final AtomicLong temporary = new AtomicLong();

    /**
     * An index in a folder, which is made where there is none.
     *
     * @param folder of the default file system
     * @param engine in REAPER or AGENT mode
     */
    public AioDirectory(Path folder, AioEngine engine) throws IOException {
        this(folder, FSLockFactory.getDefault(), engine, true, 0, UnaryOperator.identity());
    }

    AioDirectory(Path folder, LockFactory locks, AioEngine engine, boolean direct, int windowBytes, UnaryOperator<Path> unwrap)
            throws IOException {
        super(folder, locks);
        if (engine.completionMode() == CompletionMode.POLLED) {
            throw new IllegalArgumentException("engine " + engine.name() + " is polled, and belongs to one thread: an index is read by many");
        }
        this.engine = engine;
        this.direct = direct;
        this.windowBytes = windowBytes;
        this.unwrap = unwrap;
    }

    // ---- reading

    @Override
    public IndexInput openInput(String name, IOContext context) throws IOException {
        ensureOpen();
        ensureCanRead(name);
        Path path = path(name);
        SharedFile file = new SharedFile(engine, open(path, AioFile.Access.READ_ONLY));
        return new AioIndexInput("AioIndexInput(path=\"" + path + "\")", file, windowOf(context));
    }

    /** How much an input reads at a time. */
    private Window windowOf(IOContext context) {
        boolean ahead = context.context() == IOContext.Context.MERGE || context.hints().contains(DataAccessHint.SEQUENTIAL)
                || context.hints().contains(ReadOnceHint.INSTANCE);
        if (windowBytes != 0) {
            return new Window(windowBytes, ahead);
        }
        if (ahead) {
            return new Window(AHEAD_BYTES, true);
        }
        return new Window(context.hints().contains(DataAccessHint.RANDOM) ? RANDOM_BYTES : WINDOW_BYTES, false);
    }

    /** How much is read at a time, a power of two, and whether the next is read ahead. */
    record Window(int bytes, boolean ahead) {}

    private Path path(String name) {
        return unwrap.apply(directory.resolve(name));
    }

    private AsyncFile open(Path path, AioFile.Access access, AioFile.Option... options) throws IOException {
        if (direct) {
            try {
                return AsyncFile.open(engine, path, access, true, options);
            } catch (AioFile.DirectUnsupportedException e) {
                // It has made the file, where that was asked for.
                return AsyncFile.open(engine, path, access, false);
            }
        }
        return AsyncFile.open(engine, path, access, false, options);
    }

    // ---- writing

    @Override
    public IndexOutput createOutput(String name, IOContext context) throws IOException {
        ensureOpen();
        deletePendingFiles();
        return output(name);
    }

    @Override
    public IndexOutput createTempOutput(String prefix, String suffix, IOContext context) throws IOException {
        ensureOpen();
        deletePendingFiles();
        while (true) {
            try {
                String name = getTempFileName(prefix, suffix, temporary.getAndIncrement());
                if (!getPendingDeletions().contains(name)) {
                    return output(name);
                }
            } catch (FileAlreadyExistsException e) {
                // Of an earlier directory object: the next name.
            }
        }
    }

    private IndexOutput output(String name) throws IOException {
        Path path = path(name);
        AsyncFile file = open(path, AioFile.Access.READ_WRITE, AioFile.Option.CREATE_NEW);
        return new OutputStreamIndexOutput("AioIndexOutput(path=\"" + path + "\")", name, new AioOutputStream(file), OUTPUT_BYTES);
    }

    /** All files at once. */
    @Override
    public void sync(Collection<String> names) throws IOException {
        ensureOpen();
        List<AsyncFile> files = new ArrayList<>();
        List<CompletableFuture<Long>> syncs = new ArrayList<>();
        try {
            for (String name : names) {
                files.add(AsyncFile.open(engine, path(name), AioFile.Access.READ_WRITE, false));
                syncs.add(files.getLast().syncAsync(false));
            }
            for (CompletableFuture<Long> sync : syncs) {
                end(sync);
            }
        } finally {
            files.forEach(AsyncFile::close);
        }
        deletePendingFiles();
    }

    @Override
    public void syncMetaData() throws IOException {
        ensureOpen();
        engine.syncDirectory(unwrap.apply(directory));
        deletePendingFiles();
    }

    /** Waits for an operation, and throws as it does. */
    static void end(CompletableFuture<Long> operation) throws IOException {
        try {
            operation.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
        }
    }
}
