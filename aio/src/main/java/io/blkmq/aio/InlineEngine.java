package io.blkmq.aio;

import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.jctools.queues.varhandle.MpscUnboundedVarHandleArrayQueue;
import org.jspecify.annotations.Nullable;

/**
 * What the engines have in common that carry operations out on the submitting thread. In REAPER mode the completion is
 * called inside submit; a
 * submit from inside a completion must not nest, or a completion that submits the next operation would use up the
 * stack. So whoever finds nobody telling becomes the teller; the others, and the teller itself when it submits again,
 * leave their operation in a queue that the teller empties. {@code waiting} counts what is queued or being told: who
 * raises it from 0 is the teller.
 */
abstract class InlineEngine extends SoftwareEngine {

    private static final Set<AioOperation> ALL = Set.of(AioOperation.values());

    private final AtomicInteger waiting = new AtomicInteger();
    private final MpscUnboundedVarHandleArrayQueue<Kiocb> queue = new MpscUnboundedVarHandleArrayQueue<>(128);
    private volatile @Nullable Thread teller;

    InlineEngine(String name, AioEngineConfig config) {
        super(name, ALL, config);
    }

    /** Does what an operation asks for, at once: bytes, or a negative errno. */
    abstract long carryOut(Kiocb kiocb);

    @Override
    void start(Kiocb kiocb) {
        startNow(kiocb);
    }

    private void startNow(Kiocb kiocb) {
        if (listed) {
            finished(kiocb, carryOut(kiocb));
            return;
        }
        queue.add(kiocb);
        if (waiting.getAndIncrement() == 0) {
            tellQueued();
        }
    }

    /** A call has been carried out. Any thread. */
    final void tellCall(FileCall<?> call) {
        startNow(call.kiocb);
    }

    private void tellQueued() {
        teller = Thread.currentThread();
        delivery.begin(config.reapListener());
        int told = 0;
        while (true) {
            Kiocb next = queue.poll();
            if (next != null) {
                finished(next, carryOut(next));
                told++;
            } else if (waiting.get() == told) {
                // Ends the batch before the count falls: from then on another thread may begin one.
                delivery.end(config.reapListener());
                teller = null;
                if (waiting.addAndGet(-told) == 0) {
                    return;
                }
                told = 0;
                teller = Thread.currentThread();
                delivery.begin(config.reapListener());
            }
        }
    }

    @Override
    boolean isCompleting() {
        return teller == Thread.currentThread();
    }

    @Override
    void commit0() {
        // Nothing waits for a doorbell.
    }

    @Override
    void stop() {
        // No threads.
    }

    @Override
    long systemCalls() {
        return 0;
    }
}
