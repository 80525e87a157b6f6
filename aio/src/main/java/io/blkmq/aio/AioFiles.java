package io.blkmq.aio;

import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Files as the JDK's channels, over an engine: for code that takes a {@link FileChannel} and wants its I/O by io_uring, or past the page cache
 * without a thought for alignment. Any thread may call it.
 *
 * <pre>{@code
 * try (FileChannel log = AioFiles.openChannel(Path.of("log"), CREATE, APPEND, AioOpenOption.DIRECT)) {
 *     log.write(record); // any length, any buffer
 *     log.force(false);
 * }
 * }</pre>
 *
 * <p><b>The engine.</b> The forms that name none use one that all of the process share, in {@link CompletionMode#REAPER}: it is opened
 * with the first file, with the {@linkplain AioEngineConfig#defaults defaults}, and stays open; its threads are daemons. One whose ring the
 * kernel has refused for good is replaced with the next file; those that are open have to be opened again. It is
 * {@code io_uring} where that works, and otherwise {@code channel}, for direct I/O {@code libaio} before that. A path of another provider than
 * the default one always gets {@code channel}. A program that wants another engine, or other limits, opens one and hands it to the other forms:
 * one engine serves any number of files.
 *
 * @since 0.1.0
 */
public final class AioFiles {

    private AioFiles() {}

    /**
     * Opens a file as a channel, on the shared engine. As {@link #openChannel(AioEngine, Path, OpenOption...)}.
     *
     * @param path the name of the file
     * @param options how it is opened
     * @return the channel, for the caller to close
     * @throws IOException as {@link AioEngine#open}, or if no engine can be opened
     */
    public static FileChannel openChannel(Path path, OpenOption... options) throws IOException {
        return openChannel(path, Arrays.asList(options));
    }

    /**
     * Opens a file as a channel, on the shared engine. As {@link #openChannel(AioEngine, Path, OpenOption...)}.
     *
     * @param path the name of the file
     * @param options how it is opened
     * @return the channel, for the caller to close
     * @throws IOException as {@link AioEngine#open}, or if no engine can be opened
     */
    public static FileChannel openChannel(Path path, Set<? extends OpenOption> options) throws IOException {
        return openChannel(path, (Collection<? extends OpenOption>) options);
    }

    private static FileChannel openChannel(Path path, Collection<? extends OpenOption> options) throws IOException {
        ChannelOpening opening = ChannelOpening.of(path, options);
        return openChannel(engineFor(path, opening.direct()), path, opening);
    }

    /**
     * Opens a file as a channel that answers as that of {@link FileChannel#open} does. {@link AsyncFile} says where its memory comes from,
     * and how writes that are not aligned are carried out.
     *
     * <p><b>Options.</b> {@code READ}, {@code WRITE}, {@code APPEND}, {@code CREATE}, {@code CREATE_NEW}, {@code TRUNCATE_EXISTING},
     * {@code DELETE_ON_CLOSE}, {@code SPARSE} (files are), {@code SYNC}, {@code DSYNC} and {@link AioOpenOption#DIRECT}, combined as the
     * JDK combines them. A file that is opened for writing alone has to be one that may be read, too. With {@code DELETE_ON_CLOSE} the
     * name goes when the file has been opened, as with the JDK; where the system does not allow that, with the close. An engine that
     * {@linkplain EngineDriver another module} provides deletes nothing, and refuses the option.
     *
     * <p><b>Appending.</b> Each write goes to the end, in one step towards all channels and {@link AsyncFile}s of this process; of two
     * processes that append to one file, one may write over what the other has written.
     *
     * <p><b>Locks</b> are the system's, so they keep other processes out; and they belong to this process, which is told
     * {@link java.nio.channels.OverlappingFileLockException} by another lock of it, whatever channel of this module asks. They are
     * <i>open file description</i> locks: the JDK's, of the same process or of others, exclude them and are excluded by them. {@code lock}
     * asks every 2 ms while another has the range. Files of the {@code memory} engine are locked within the process. Where
     * the C library cannot be called, locks are refused with {@link UnsupportedOperationException}.
     *
     * <p><b>Interrupts and close.</b> As {@link FileChannel} says: an interrupt closes the channel. The thread leaves when its operation
     * in flight has ended, and so does one whose channel is closed by another. Close does not wait for them.
     *
     * <p><b>Threads.</b> What a virtual thread asks for goes to the engine, and the thread parks and gives its carrier back. A platform thread
     * carries it out itself, by a system call: it would have to wait anyhow, and to hand it over takes longer. With an engine of another
     * kind than {@code io_uring}, {@code libaio} or {@code channel} all goes to the engine. {@code size}, {@code truncate}, locks and opening
     * are system calls of whoever asks.
     *
     * <p>It cannot be mapped: {@code map} throws {@link UnsupportedOperationException}. Inside of a completion of the engine, and on the
     * thread that runs its agent, operations are refused with {@link IllegalStateException}.
     *
     * @param engine the engine, which stays open longer than the channel
     * @param path the name of the file
     * @param options how it is opened
     * @return the channel, for the caller to close
     * @throws IllegalArgumentException if the engine is polled, or for {@code APPEND} with {@code READ} or {@code TRUNCATE_EXISTING}
     * @throws UnsupportedOperationException for any other option, naming it
     * @throws IOException as {@link AioEngine#open}
     */
    public static FileChannel openChannel(AioEngine engine, Path path, OpenOption... options) throws IOException {
        return openChannel(engine, path, ChannelOpening.of(path, Arrays.asList(options)));
    }

    private static FileChannel openChannel(AioEngine engine, Path path, ChannelOpening opening) throws IOException {
        AsyncFile file = open(engine, path, opening);
        return new AioFileChannel(file, opening, endOf(engine, file, opening));
    }

    /**
     * Opens a file as an asynchronous channel, on the shared engine, with handlers on virtual threads. As
     * {@link #openAsynchronousChannel(AioEngine, Path, Executor, OpenOption...)}.
     *
     * @param path the name of the file
     * @param options how it is opened
     * @return the channel, for the caller to close
     * @throws IOException as {@link AioEngine#open}, or if no engine can be opened
     */
    public static AsynchronousFileChannel openAsynchronousChannel(Path path, OpenOption... options) throws IOException {
        ChannelOpening opening = ChannelOpening.ofAsynchronous(path, Arrays.asList(options));
        return openAsynchronousChannel(engineFor(path, opening.direct()), path, Thread::startVirtualThread, opening);
    }

    /**
     * Opens a file as an asynchronous channel that answers as that of {@link AsynchronousFileChannel#open} does. Reads and writes of native
     * memory that suits the file hold no thread. Others, and those for which the engine has no room, are carried out by a virtual thread each.
     *
     * <p><b>Handlers</b> are called by the executor, and never by a thread of the engine: they may block. If it refuses one, a virtual thread
     * calls it. Futures are ended by whoever ends the operation.
     *
     * <p><b>Close</b> waits for nothing. What is in flight ends with {@link java.nio.channels.AsynchronousCloseException} once the engine has given
     * its memory back. <b>Cancellation</b>, too, leaves the operation in flight: its buffer is the engine's as long as the file is open, as the JDK
     * says. Where it may interrupt, it closes the channel. {@code size}, {@code truncate}, {@code force} and {@code tryLock} block.
     *
     * <p>Options and locks are those of {@link #openChannel(AioEngine, Path, OpenOption...)}, but for {@code APPEND}, which the JDK refuses, too.
     * {@code lock} waits for other processes on a virtual thread.
     *
     * @param engine the engine, which stays open longer than the channel
     * @param path the name of the file
     * @param handlers calls handlers
     * @param options how it is opened
     * @return the channel, for the caller to close
     * @throws IllegalArgumentException if the engine is polled
     * @throws UnsupportedOperationException for any other option, naming it
     * @throws IOException as {@link AioEngine#open}
     */
    public static AsynchronousFileChannel openAsynchronousChannel(AioEngine engine, Path path, Executor handlers,
            OpenOption... options) throws IOException {
        return openAsynchronousChannel(engine, path, Objects.requireNonNull(handlers, "handlers"),
                ChannelOpening.ofAsynchronous(path, Arrays.asList(options)));
    }

    private static AsynchronousFileChannel openAsynchronousChannel(AioEngine engine, Path path, Executor handlers,
            ChannelOpening opening) throws IOException {
        AsyncFile file = open(engine, path, opening);
        return new AioAsynchronousFileChannel(file, opening, endOf(engine, file, opening), handlers);
    }

    /**
     * Opens a file on the shared engine.
     *
     * @param path the name of the file
     * @param options as of {@link #openChannel(AioEngine, Path, OpenOption...)}, but for {@code APPEND}, for which there is
     *        {@link AsyncFile#append}, and {@code DELETE_ON_CLOSE}
     * @return the file, for the caller to close
     * @throws UnsupportedOperationException for any other option, naming it
     * @throws IOException as {@link AioEngine#open}, or if no engine can be opened
     */
    public static AsyncFile open(Path path, OpenOption... options) throws IOException {
        ChannelOpening opening = fileOpening(path, options);
        return open(engineFor(path, opening.direct()), path, opening);
    }

    /**
     * Opens a file on an engine, as {@link #open(Path, OpenOption...)}.
     *
     * @param engine the engine, which stays open longer than the file
     * @param path the name of the file
     * @param options as of {@link #open(Path, OpenOption...)}
     * @return the file, for the caller to close
     * @throws IllegalArgumentException if the engine is polled
     * @throws UnsupportedOperationException for any other option, naming it
     * @throws IOException as {@link AioEngine#open}
     */
    public static AsyncFile open(AioEngine engine, Path path, OpenOption... options) throws IOException {
        return open(engine, path, fileOpening(path, options));
    }

    private static ChannelOpening fileOpening(Path path, OpenOption... options) {
        ChannelOpening opening = ChannelOpening.of(path, Arrays.asList(options));
        if (opening.append() || opening.deleteOnClose()) {
            throw new UnsupportedOperationException(path + " cannot be opened with "
                    + (opening.append() ? "APPEND: AsyncFile.append" : "DELETE_ON_CLOSE: a channel") + " does that");
        }
        return opening;
    }

    /**
     * Opens a file on the shared engine as {@link #open(Path, OpenOption...)}, and does not wait; the first file of a process opens that engine. As {@link
     * AsyncFile#openAsync}.
     *
     * @param path the name of the file
     * @param options as of {@link #open(Path, OpenOption...)}
     * @return the file, for the caller to close; or the exception of {@link #open(Path, OpenOption...)}, or why no engine can be opened
     * @throws UnsupportedOperationException for any other option, naming it
     */
    public static CompletableFuture<AsyncFile> openAsync(Path path, OpenOption... options) {
        ChannelOpening opening = fileOpening(path, options);
        return onShared(path, opening.direct(), engine -> AsyncFile.openAsync(engine, path, opening.access(),
                opening.direct(), opening.file().toArray(AioFile.Option[]::new)));
    }

    /**
     * Asks for the attributes of a file on the shared engine, and does not wait. As {@link AioEngine#attributesAsync}.
     *
     * @param path the name of the file
     * @return the attributes; or the exception of {@link AioEngine#attributesAsync}, or why no engine can be opened
     */
    public static CompletableFuture<AioFileAttributes> attributesAsync(Path path) {
        return onShared(path, false, engine -> engine.attributesAsync(path));
    }

    /**
     * Takes a file's name away on the shared engine, for good, and does not wait. As {@link AioEngine#deleteAsync}.
     *
     * @param path the file
     * @return done when the name is gone, for good; or the exception of {@link AioEngine#delete}, or why no engine can be opened
     */
    public static CompletableFuture<@Nullable Void> deleteAsync(Path path) {
        return onShared(path, false, engine -> engine.deleteAsync(path));
    }

    private static <T extends @Nullable Object> CompletableFuture<T> onShared(Path path, boolean direct,
            Function<AioEngine, CompletableFuture<T>> call) {
        AioEngine engine;
        try {
            engine = engineFor(path, direct);
        } catch (IOException e) {
            return CompletableFuture.failedFuture(e);
        }
        CompletableFuture<T> future = call.apply(engine);
        engine.commit();
        return future;
    }

    static AsyncFile open(AioEngine engine, Path path, ChannelOpening opening) throws IOException {
        if (opening.deleteOnClose() && engine instanceof DrivenEngine) {
            throw new UnsupportedOperationException(path + " cannot be opened with DELETE_ON_CLOSE: AIO engine "
                    + engine.name() + " opens what is there, and deletes nothing");
        }
        return AsyncFile.open(engine, path, opening.access(), opening.direct(),
                opening.file().toArray(AioFile.Option[]::new));
    }

    /** What is closed with a channel of a file of its own. The name of one that is to be deleted goes now, where that can be. */
    static ChannelEnd endOf(AioEngine engine, AsyncFile file, ChannelOpening opening) throws IOException {
        if (!opening.deleteOnClose()) {
            return file::close;
        }
        Path path = file.file().path();
        if (!file.file().hasDescriptor()) {
            return () -> {
                file.close();
                boolean _ = Files.deleteIfExists(path);
            };
        }
        boolean good = false;
        try {
            if (file.file() instanceof MemoryFile) {
                engine.delete(path);
            } else {
                Files.delete(path);
            }
            good = true;
        } finally {
            if (!good) {
                file.close();
            }
        }
        return file::close;
    }

    /** The shared engine for a file. */
    static AioEngine engineFor(Path path, boolean direct) throws IOException {
        return SharedEngine.of(path, direct);
    }
}
