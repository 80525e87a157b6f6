package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.aio.Kiocb;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The driver of one loop device, as the patch series of 2014 built it: a request is a command on a file; reads and writes of a direct device go
 * to the engine, and so do flushes, discards and zeroes where that does them by itself; everything else goes to the work queue; all that comes to a device on a disk goes to that disk. FUA comes here where the engine, or that disk, can write
 * durably; elsewhere the flush machine makes a flush of it.
 *
 * <p>A flush request needs no repair after it was cloned: its {@link LoopCommand} is its own and points at itself, and the bytes
 * of its PDU mean nothing between two uses.
 */
final class LoopDriver implements BlockDriver {
    private final LoopDevice device;

    LoopDriver(LoopDevice device) {
        this.device = device;
    }

    @Override
    public DeviceDescription describe(RequestQueue queue) {
        return device.medium().describe(queue.isPolled());
    }

    @Override
    public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) {
        hctx.setDriverData(device.loopQueue(index));
    }

    @Override
    public void initRequest(TagSet set, Request rq, int hctxIndex) {
        rq.setDriverData(new LoopCommand(device, rq));
    }

    @Override
    public void exitRequest(TagSet set, Request rq, int hctxIndex) {
        LoopCommand.of(rq).exit();
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        LoopQueue queue = queueOf(hctx);
        Backing backing = device.medium().backing();
        LoopCommand command = LoopCommand.of(rq);
        queue.submitting();
        if (backing == null
                || (rq.operation().isWrite() && rq.operation() != Operation.FLUSH && !backing.isWritable())) {
            return Status.IOERR;
        }
        if (!command.prepare()) {
            return Status.RESOURCE;
        }
        // Before it is submitted: from then on the request may be another one's.
        boolean throughEngine = backing instanceof BackingFile file && file.isAio() && rq.operation().hasData();
        if (last && throughEngine && readsHere(rq, (BackingFile) backing, queue)) {
            command.readHere((BackingFile) backing, queue);
            return Status.OK;
        }
        Status status = Status.IOERR;
        try {
            status = switch (backing) {
                case BackingFile file -> queue(command, file, queue, rq.operation());
                case BackingDisk below -> command.pass(below);
            };
        } finally {
            if (status != Status.OK) {
                command.endPrepared();
            }
        }
        if (last) {
            commitTaken(rq, queue, throughEngine ? command.kiocb() : null);
        } else {
            queue.moreToCome();
        }
        return status;
    }

    /** Whether one read that is no part of a batch is a copy in memory: no engine does that sooner than the calling thread. */
    private static boolean readsHere(Request rq, BackingFile file, LoopQueue queue) {
        return rq.operation() == Operation.READ && file.io().isInMemory() && queue.isReaperAlone();
    }

    private static Status queue(LoopCommand command, BackingFile file, LoopQueue queue, Operation operation) {
        if (operation.hasData() && file.isAio()) {
            return switch (command.submit(file, queue)) {
                case 0 -> Status.OK;
                // The application's engine has as many in flight as it takes, perhaps all of others.
                case -Errno.EAGAIN -> Status.RESOURCE;
                default -> Status.IOERR;
            };
        }
        if (operation == Operation.FLUSH && queue.mayLeaveSyncs() && file.canSyncByEngine()
                && command.syncByEngine(file, queue)) {
            return Status.OK;
        }
        if (operation.hasRange() && file.canZeroByEngine() && command.zeroByEngine(file, queue)) {
            return Status.OK;
        }
        command.work(file, queue);
        return Status.OK;
    }

    /** A bio that lies before the end of a shortened file has been read, whatever it was merged with. */
    @Override
    public void complete(Request rq) {
        Status status = rq.status();
        if (status == Status.IOERR && rq.operation() == Operation.READ) {
            long read = LoopCommand.of(rq).readableBytes();
            if (read > 0) {
                rq.update(Status.OK, read);
            }
        }
        rq.end(status);
    }

    @Override
    public boolean completesFailuresAlone() {
        return true;
    }

    @Override
    public void hasten(RequestQueue queue) {
        device.medium().hasten();
    }

    @Override
    public void commitRqs(HardwareContext hctx) {
        commit(queueOf(hctx), null);
    }

    /** A doorbell that fails is no failure of this request, which has been taken: its end is told by who has it. */
    private void commitTaken(Request rq, LoopQueue queue, @Nullable Kiocb last) {
        try {
            commit(queue, last);
        } catch (Throwable t) {
            LoopFailures.request(device, rq, t);
        }
    }

    /** What was given to the engine or to the workers since the last call is to begin. */
    private void commit(LoopQueue queue, @Nullable Kiocb last) {
        queue.commit(last);
        device.workQueue().wake();
    }

    @Override
    public int poll(HardwareContext hctx, SoftwareContext ctx) {
        return queueOf(hctx).poll();
    }

    @Override
    public void requireSubmitter(HardwareContext hctx) {
        boolean throughEngine = device.medium().backing() instanceof BackingFile file && file.isAio();
        queueOf(hctx).requireOwner(hctx.queue().name(), throughEngine);
    }

    @Override
    public boolean mayPoll(HardwareContext hctx) {
        return queueOf(hctx).isPollable();
    }

    @Override
    public boolean claim(HardwareContext hctx) {
        LoopQueue queue = queueOf(hctx);
        queue.submitting();
        return queue.isPollable();
    }

    private static LoopQueue queueOf(HardwareContext hctx) {
        return (LoopQueue) Objects.requireNonNull(hctx.driverData());
    }
}
