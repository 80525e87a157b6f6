package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;

/** The driver of arrays, which keeps operations that it should begin until a test says how they end. */
final class HeldDriver implements EngineDriver {
    private final ArrayDriver arrays = new ArrayDriver();
    private final Queue<Kiocb> held = new ConcurrentLinkedQueue<>();
    private final Queue<Long> results = new ConcurrentLinkedQueue<>();
    private final long resultWhenClosed;

    /** A driver that ends what it still has with a result when the engine is being closed. */
    HeldDriver(long resultWhenClosed) {
        this.resultWhenClosed = resultWhenClosed;
    }

    /** How many are kept. */
    int held() {
        return held.size();
    }

    /** Ends the oldest that is kept. */
    void end(long result) {
        results.add(result);
        arrays.wake();
    }

    @Override
    public void begin(Kiocb kiocb) {
        held.add(kiocb);
    }

    @Override
    public void reap(Ended to) {
        for (Long result = results.poll(); result != null; result = results.poll()) {
            to.ended(held.remove(), result);
        }
    }

    @Override
    public void hasten() {
        held.forEach(_ -> results.add(resultWhenClosed));
        arrays.wake();
    }

    @Override
    public String name() {
        return arrays.name();
    }

    @Override
    public Set<AioOperation> operations() {
        return arrays.operations();
    }

    @Override
    public Class<? extends DrivenFile> files() {
        return arrays.files();
    }

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options)
            throws IOException {
        return arrays.open(path, access, direct, options);
    }

    @Override
    public void await(long timeoutNanos) {
        arrays.await(timeoutNanos);
    }

    @Override
    public void wake() {
        arrays.wake();
    }

    @Override
    public void close() {
        arrays.close();
    }
}
