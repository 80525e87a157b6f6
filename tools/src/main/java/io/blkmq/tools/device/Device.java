package io.blkmq.tools.device;

import io.blkmq.aio.AioUnavailableException;
import io.blkmq.core.Disk;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.nbd.NbdDisk;
import io.blkmq.nbd.NbdUri;
import io.blkmq.tools.device.Backing.Completion;
import io.blkmq.tools.device.Backing.Kind;
import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A device that jobs run on. Its name is only a name: what is opened is what {@code --attach} says, or a temporary image.
 *
 * <p>Who finds completions: the submitting threads where each has a hardware queue to itself, since a polled ring belongs to one
 * thread; where they share one, or where other threads do the I/O anyway, a reaper. The null block driver may be polled by
 * anyone.
 */
public final class Device implements AutoCloseable {
    private static final int DEPTH_DEFAULT = 128;

    private final DeviceRequest request;
    private final Disk disk;
    private final Shape shape;
    private final String backingText;
    private final String mode;
    private final List<String> notes = new ArrayList<>();
    private final @Nullable TemporaryImage image;
    /** Of the file that it reads through the page cache. */
    private @Nullable PageCache pages;

    /**
     * How a device is built.
     *
     * @param hardwareQueues how many
     * @param depth of each
     * @param polled whether the submitting threads find completions
     */
    public record Shape(int hardwareQueues, int depth, boolean polled) {}

    private Device(DeviceRequest request, Disk disk, Shape shape, String backingText, String mode,
            @Nullable TemporaryImage image) {
        this.request = request;
        this.disk = disk;
        this.shape = shape;
        this.backingText = backingText;
        this.mode = mode;
        this.image = image;
    }

    /**
     * Makes the device.
     *
     * @param request what its jobs need
     * @param layout is told when an image is written before it is read
     * @return the device, to be closed
     * @throws UsageException if what was asked for cannot be had
     */
    public static Device open(DeviceRequest request, Layout layout) throws UsageException {
        try {
            return useElevator(openAsAsked(request, layout), request.elevator());
        } catch (NoSuchFileException e) {
            throw new UsageException(
                    request.name() + ": " + (isImage(request) ? e.getMessage() : "there is no file " + e.getFile()), e);
        } catch (AccessDeniedException e) {
            throw new UsageException(isImage(request)
                    ? request.name() + ": " + e.getMessage()
                    : request.name() + ": access to " + e.getFile() + " is denied"
                            + (request.writes()
                                    ? "; jobs write to it. " + request.name()
                                            + " can be attached with ,ro for jobs that read"
                                    : ""),
                    e);
        } catch (AioUnavailableException e) {
            throw new UsageException(request.location() + ": " + e.getMessage() + otherEngine(request), e);
        } catch (IOException | IllegalArgumentException e) {
            throw new UsageException(request.name() + ": " + e.getMessage() + (isImage(request) ? "" : liftedBy(e)), e);
        }
    }

    private static boolean isImage(DeviceRequest request) {
        return request.backing().isPresent() && request.backing().get().kind() == Kind.IMAGE;
    }

    private static String otherEngine(DeviceRequest request) {
        return request.engine() == EngineName.IO_URING
                ? "; --ioengine libaio may be possible"
                : request.engine() == EngineName.LIBAIO ? "; --ioengine posixaio is possible" : "";
    }

    /** What lifts the refusal of a block device that is in use. */
    private static String liftedBy(Exception e) {
        boolean busy = e instanceof FileSystemException refused && refused.getReason() != null
                && refused.getReason().contains("(EBUSY)");
        return busy ? "; allow_mounted_write=1 in the job lifts this" : "";
    }

    private static Device openAsAsked(DeviceRequest request, Layout layout) throws IOException {
        if (request.backing().isEmpty()) {
            return openImage(request, layout);
        }
        Backing backing = request.backing().get();
        if (backing.export() != null) {
            return openExport(request, backing, backing.export());
        }
        if (backing.kind() == Kind.IMAGE) {
            return openImageOnCeph(request, backing);
        }
        if (backing.kind() != Kind.FILE) {
            return openNull(request, backing);
        }
        if (request.engine() == EngineName.RBD) {
            throw new IllegalArgumentException(
                    "ioengine=rbd is for images on Ceph: attach rbd:POOL/IMAGE, and not " + backing.text());
        }
        if (request.invalidates() && Files.exists(backing.path())) {
            boolean _ = PageCache.drop(backing.path());
        }
        Device device = openLoop(request, backing, backing.text(), null);
        if (request.reads() && Files.isRegularFile(backing.path()) && PageCache.hasHole(backing.path())) {
            device.notes.add(request.name() + ": " + backing.path()
                    + " has holes: what is read there was never written, and comes from no disk");
        }
        return device;
    }

    private static Device useElevator(Device device, String elevator) {
        try {
            device.disk.queue().setElevator(elevator);
            return device;
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    private static Device openNull(DeviceRequest request, Backing backing) throws IOException {
        boolean memory = backing.kind() == Kind.MEMORY;
        Shape shape = shape(request, backing, backing.completion() != Completion.REAPER);
        Disk disk = NullBlk.builder().name(request.name()).capacityBytes(backing.sizeBytes()).memoryBacked(memory)
                .hardwareQueues(shape.hardwareQueues).depth(shape.depth).readOnly(backing.readOnly())
                .completion(shape.polled ? NullBlk.Completion.POLLED : NullBlk.Completion.REAPER).build();
        return new Device(request, disk, shape, backing.text(),
                memory ? "null block driver with memory" : "null block driver", null);
    }

    private static Device openExport(DeviceRequest request, Backing backing, NbdUri export) throws IOException {
        // The server says how many connections are one device: one of them alone has to be deep enough.
        Shape wanted = shape(request, backing, false);
        NbdDisk.Builder builder = NbdDisk.builder(export).name(request.name()).depth(wanted.depth)
                .readOnly(backing.readOnly() || !request.writes());
        if (backing.hardwareQueues() != 0) {
            builder.connections(backing.hardwareQueues());
        }
        try {
            Disk disk = builder.open();
            int connections = disk.queue().hardwareContexts();
            Device device = new Device(request, disk, new Shape(connections, wanted.depth, false), backing.text(),
                    "NBD, connections=" + connections, null);
            if (backing.hardwareQueues() > connections) {
                device.notes.add(request.name() + ": hw=" + backing.hardwareQueues()
                        + " is not possible, since the server does not say that several connections are one device");
            }
            return device;
        } catch (IllegalStateException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static Device openImageOnCeph(DeviceRequest request, Backing backing) throws IOException {
        Shape shape = shape(request, backing, pollsByChoice(request, EngineName.RBD, backing, true));
        LoopDevice loop = attach(request, EngineName.RBD, backing, shape, true);
        return new Device(request, loop.disk(), shape, backing.text(), "loop, direct, engine rbd", null);
    }

    private static Device openImage(DeviceRequest request, Layout layout) throws IOException {
        ImageRequest wanted = request.image();
        boolean written = request.reads() && !request.engine().hasNoFile() && wanted.isLaidOut();
        // Writing it takes long: what is written is not to stay behind if the command is killed meanwhile.
        TemporaryImage image = written
                ? TemporaryImage.createNamed(wanted.directory(), wanted.bytes())
                : TemporaryImage.create(wanted.directory(), wanted.bytes());
        boolean opened = false;
        try {
            if (written) {
                image.fill(request.name(), wanted.bytes(), layout);
                boolean _ = PageCache.drop(image.path());
            }
            Device device = openLoop(request, Backing.ofFile(image.path()),
                    written ? "temporary image, written" : "temporary image, sparse", image);
            opened = true;
            image.forgetName();
            if (request.reads() && !written && !request.engine().hasNoFile()) {
                device.notes.add(request.name() + ": the temporary image of " + wanted.bytes()
                        + " bytes is a hole: what is read was never written, and comes from no disk. Images of up to "
                        + wanted.layoutBytesMax() + " bytes are written before (--layout-max)");
            }
            return device;
        } finally {
            if (!opened) {
                image.close();
            }
        }
    }

    private static Device openLoop(DeviceRequest request, Backing backing, String text, @Nullable TemporaryImage image)
            throws IOException {
        boolean direct = (request.direct() || request.engine().hasNoFile()) && !backing.buffered();
        Shape shape = shape(request, backing, pollsByChoice(request, request.engine(), backing, direct));
        LoopDevice loop = attach(request, request.engine(), backing, shape, direct);
        if (direct && !loop.isDirect() && shape.polled && backing.completion() == Completion.CHOSEN) {
            // The work queue does the I/O after all: its threads complete, and a thread that polls would only be in their way.
            loop.close();
            shape = new Shape(shape.hardwareQueues, shape.depth, false);
            loop = attach(request, request.engine(), backing, shape, direct);
        }
        Device device = new Device(request, loop.disk(), shape, text, loopMode(request, loop), image);
        if (direct && !loop.isDirect()) {
            device.notes.add(request.name() + ": direct I/O is not possible on " + text + ": buffered, engine "
                    + request.engine().fioName() + " not used");
        }
        if (request.readsBack() && request.invalidates() && !loop.isDirect()) {
            device.keepPages(backing.path());
        }
        return device;
    }

    private static LoopDevice attach(DeviceRequest request, EngineName engine, Backing backing, Shape shape,
            boolean direct) throws IOException {
        return LoopDevice.attach(LoopConfig.builder(backing.path()).name(request.name())
                .readOnly(backing.readOnly() || !request.writes()).exclusive(!request.mountedWrite()).direct(direct)
                .engine(engine.aioName()).polled(shape.polled).hardwareQueues(shape.hardwareQueues).depth(shape.depth)
                .offsetBytes(backing.offsetBytes()).sizeLimitBytes(backing.sizeLimitBytes()).workers(request.workers())
                .build());
    }

    private static String loopMode(DeviceRequest request, LoopDevice loop) {
        String way = loop.isDirect()
                ? "loop, direct, engine " + request.engine().aioName()
                : "loop, buffered, work queue";
        return request.workers() == 0 ? way : way + ", workers=" + request.workers();
    }

    private static boolean pollsByChoice(DeviceRequest request, EngineName engine, Backing backing, boolean direct) {
        int queues = Math.max(1, backing.hardwareQueues());
        return switch (backing.completion()) {
            case POLL -> {
                if (request.threads() > queues) {
                    throw new IllegalArgumentException("poll with " + request.threads() + " jobs on " + queues
                            + " hardware queue(s): a polled queue belongs to one thread, so hw=" + request.threads()
                            + " is needed");
                }
                yield true;
            }
            case REAPER -> false;
            case CHOSEN -> direct && !engine.aioName().equals("channel") && request.threads() <= queues
                    && Runtime.getRuntime().availableProcessors() > 1;
        };
    }

    private static Shape shape(DeviceRequest request, Backing backing, boolean polled) {
        int queues = Math.max(1, backing.hardwareQueues());
        int sharing = backing.kind() == Kind.EXPORT ? 1 : queues;
        int wanted = Math.max(DEPTH_DEFAULT, Math.ceilDiv(request.depthTotal(), sharing));
        int depth = backing.depth() != 0 ? backing.depth() : Math.min(TagSet.DEPTH_MAX, wanted);
        return new Shape(queues, depth, polled);
    }

    /**
     * The device to do I/O with.
     *
     * @return the disk
     */
    public Disk disk() {
        return disk;
    }

    /**
     * Its name inside the command.
     *
     * @return the name
     */
    public String name() {
        return request.name();
    }

    /**
     * How it is built.
     *
     * @return queues, depth, who completes
     */
    public Shape shape() {
        return shape;
    }

    /**
     * What the user attached.
     *
     * @return null for a temporary image
     */
    public @Nullable Backing backing() {
        return request.backing().orElse(null);
    }

    /**
     * What is behind it.
     *
     * @return as the user wrote it
     */
    public String backingText() {
        return backingText;
    }

    /**
     * Driver, page cache, engine, and the elevator if there is one.
     *
     * @return a few words
     */
    public String mode() {
        String elevator = disk.queue().elevator();
        return elevator.equals(Elevators.NONE) ? mode : mode + ", elevator " + elevator;
    }

    /**
     * Whether a completion is told on the thread that submitted, and nowhere else.
     *
     * @return true if each thread polls a hardware queue of its own
     */
    public boolean completesOnSubmitter() {
        return shape.polled && request.threads() <= shape.hardwareQueues;
    }

    /**
     * Whether data that was written can be read.
     *
     * @return false where there is no medium
     */
    public boolean keepsData() {
        boolean nothing = request.backing().map(backing -> backing.kind() == Kind.NOTHING).orElse(false);
        return !nothing && !mode.endsWith("engine null");
    }

    /**
     * What turned out otherwise than asked for.
     *
     * @return lines for people
     */
    public List<String> notes() {
        return List.copyOf(notes);
    }

    private void keepPages(Path file) throws IOException {
        boolean kept = false;
        try {
            pages = PageCache.of(file);
            kept = true;
        } finally {
            if (!kept) {
                disk.close();
            }
        }
    }

    /**
     * Makes the next reads go to the disk, where that is a file that jobs use through the page cache, read back, and do not say
     * {@code invalidate=0} of. The kernel forgets nothing that is not durable: so after a flush.
     */
    public void forgetPages() {
        if (pages != null) {
            pages.drop();
        }
    }

    /** Detaches it, and removes it if it is temporary. */
    @Override
    public void close() {
        disk.close();
        if (pages != null) {
            pages.close();
        }
        if (image != null) {
            image.close();
        }
    }

    @Override
    public String toString() {
        return name() + ": " + backingText + " (" + mode() + "), " + shape.hardwareQueues + " x " + shape.depth
                + (shape.polled ? ", polled" : ", reaper");
    }
}
