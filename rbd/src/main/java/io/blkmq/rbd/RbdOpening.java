package io.blkmq.rbd;

import io.blkmq.aio.AioException;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.Errno;
import io.blkmq.rbd.ceph.Kernel;
import io.blkmq.rbd.ceph.Rados;
import io.blkmq.rbd.ceph.Rbd;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The way to an image: options, monitors, pool, image, lock; each step that fails is told in words. Ceph may let a step wait without end, so a thread of its own takes
 * them, and whoever opens waits for that one a while. Should the cluster answer later, what has been opened by then is closed again.
 */
final class RbdOpening {
    /** Images that are being closed, with what says that it is done: the next open of one waits for that, since the lock is still held. */
    private static final Map<RbdImage, CountDownLatch> CLOSINGS = new ConcurrentHashMap<>();

    private static final int OPTIMAL_MAX = 1 << 30;
    /** How Ceph says that {@code client_mount_timeout} was not set: its default. */
    private static final String MOUNT_TIMEOUT_DEFAULT = "300";

    private static final String OSD_TIMEOUT = "rados_osd_op_timeout";
    private static final Pattern NO_TIMEOUT = Pattern.compile("0+(\\.0*)?s?");

    private final RbdAddress address;
    private final boolean writable;
    private final boolean exclusive;

    /** What is being done, in words that follow "while". Written by the thread that does it. */
    private volatile String step = "it was begun";
    /** What came of it. Written by that thread, under the monitor, unless nobody waits any more. */
    private @Nullable RbdImage opened;
    private @Nullable Throwable failure;
    private boolean abandoned;

    private RbdOpening(RbdAddress address, AioFile.Access access) {
        this.address = address;
        writable = access != AioFile.Access.READ_ONLY;
        exclusive = access == AioFile.Access.READ_WRITE;
    }

    // Threads.

    /** A thread for a call of librbd that may take any time. The process does not wait for it. */
    static Thread thread(String what, RbdAddress address, Runnable body) {
        return Thread.ofPlatform().daemon().name("blkmq-rbd-" + what + "-" + address.imageName()).unstarted(body);
    }

    /** Waits for a thread, no longer than so. An interrupt does not end the wait; it is there again afterwards. */
    static boolean join(Thread thread, long nanos) {
        long deadline = System.nanoTime() + nanos;
        boolean interrupted = false;
        boolean ended = false;
        for (long left = nanos; !ended && left > 0; left = deadline - System.nanoTime()) {
            try {
                thread.join(TimeUnit.NANOSECONDS.toMillis(left) + 1);
                ended = !thread.isAlive();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return ended;
    }

    /** A thread, which is to be started, that closes an image. */
    static Thread closer(RbdImage image, Runnable close) {
        CountDownLatch closed = new CountDownLatch(1);
        CLOSINGS.put(image, closed);
        return thread("close", image.address(), () -> {
            try {
                close.run();
            } finally {
                CLOSINGS.remove(image);
                closed.countDown();
            }
        });
    }

    /** Waits until an image is closed, no longer than so. An interrupt does not end the wait; it is there again afterwards. */
    private static void await(CountDownLatch closed, long nanos) {
        long deadline = System.nanoTime() + nanos;
        boolean interrupted = false;
        boolean ended = false;
        for (long left = nanos; !ended && left > 0; left = deadline - System.nanoTime()) {
            try {
                ended = closed.await(left, TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // For who opens.

    static RbdImage open(RbdAddress address, AioFile.Access access) throws IOException {
        long nanos = TimeUnit.SECONDS.toNanos(address.waitSeconds());
        for (Map.Entry<RbdImage, CountDownLatch> closing : CLOSINGS.entrySet()) {
            if (closing.getKey().address().isSameImage(address)) {
                await(closing.getValue(), nanos);
            }
        }
        return new RbdOpening(address, access).openWithin(nanos);
    }

    private RbdImage openWithin(long nanos) throws IOException {
        Thread opener = thread("open", address, this::run);
        opener.start();
        // Ceph itself gives up after that time where it can, and says more.
        join(opener, nanos + TimeUnit.SECONDS.toNanos(2));
        synchronized (this) {
            if (opened != null) {
                return opened;
            }
            Throwable why = failure;
            switch (why) {
                case null -> {
                    abandoned = true;
                    throw failed("the cluster has not answered within " + address.waitSeconds() + " s, while " + step
                            + "; " + "are its OSDs up?");
                }
                case IOException e -> throw e;
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                default -> throw new IOException(address + " cannot be opened", why);
            }
        }
    }

    private void run() {
        RbdImage image = null;
        Throwable why = null;
        try {
            image = openNow();
        } catch (IOException | RuntimeException | Error e) {
            why = e;
        }
        synchronized (this) {
            if (!abandoned) {
                opened = image;
                failure = why;
                return;
            }
        }
        if (image != null) {
            image.closeOpen();
        }
    }

    // The steps. Each gives back what the ones before it have made, should it fail.

    private RbdImage openNow() throws IOException {
        Rados.Made cluster = Rados.create(address.user());
        if (cluster.result() < 0) {
            throw failed("client." + address.user() + " is no user that Ceph takes: " + words(cluster.result()));
        }
        boolean good = false;
        try {
            configure(cluster.address());
            step = "a monitor was connected";
            connect(cluster.address());
            RbdImage image = openPool(cluster.address());
            good = true;
            return image;
        } finally {
            if (!good) {
                Rados.shutdown(cluster.address());
            }
        }
    }

    private void configure(long cluster) throws IOException {
        String conf = address.conf();
        int read = Rados.readConf(cluster, conf);
        // Without a file all may be in the address or in CEPH_ARGS.
        if (read < 0 && (conf != null || (read != -Errno.ENOENT))) {
            throw failed("the configuration " + (conf == null ? "of Ceph" : conf) + " cannot be read: "
                    + (read == -Errno.ENOENT ? "there is no such file" : words(read)));
        }
        if (Rados.readEnvironment(cluster) < 0) {
            throw failed("the options in the variable CEPH_ARGS cannot be read");
        }
        for (Map.Entry<String, String> option : address.options().entrySet()) {
            int set = Rados.set(cluster, option.getKey(), option.getValue());
            if (set == -Errno.ENOENT) {
                throw failed("Ceph has no option " + option.getKey());
            }
            if (set < 0) {
                throw failed("option " + option.getKey() + " cannot be " + option.getValue() + ": " + words(set));
            }
        }
        if (Rados.get(cluster, "mon_host").isBlank()) {
            throw failed(read == -Errno.ENOENT
                    ? "there is no configuration: neither $CEPH_CONF nor /etc/ceph/ceph.conf, ~/.ceph/config or ceph.conf is there; "
                            + "name one by :conf=FILE"
                    : "the configuration names no monitors: mon_host is empty");
        }
        if (Rados.get(cluster, "client_mount_timeout").startsWith(MOUNT_TIMEOUT_DEFAULT)) {
            set(cluster, "client_mount_timeout", Integer.toString(address.waitSeconds()));
        }
        // A cache that writes around itself forgets that a write has failed after it was acknowledged: no flush would say so.
        if (!address.options().containsKey("rbd_cache")) {
            set(cluster, "rbd_cache", "false");
        }
        if (!address.options().containsKey("rbd_cache_policy")) {
            set(cluster, "rbd_cache_policy", "writeback");
        }
        // Ceph's own time-out would end what a cache has acknowledged, too.
        String timeout = address.options().get(OSD_TIMEOUT);
        if (timeout != null && !NO_TIMEOUT.matcher(timeout).matches()) {
            throw failed("option " + OSD_TIMEOUT + " cannot be " + timeout
                    + ": writes that were acknowledged would be lost; the address may say how long the end of a device waits, by :wait=SECONDS");
        }
        set(cluster, OSD_TIMEOUT, "0");
    }

    private void set(long cluster, String option, String value) throws IOException {
        int result = Rados.set(cluster, option, value);
        if (result < 0) {
            throw failed("option " + option + " cannot be " + value + ": " + words(result));
        }
    }

    private void connect(long cluster) throws IOException {
        int result = Rados.connect(cluster);
        if (result >= 0) {
            return;
        }
        String user = "client." + address.user();
        String keyring = "keyring " + Rados.get(cluster, "keyring");
        throw switch (-result) {
            case Errno.ETIMEDOUT -> failed("no monitor of " + Rados.get(cluster, "mon_host") + " has answered within "
                    + Rados.get(cluster, "client_mount_timeout") + " s");
            case Errno.ENOENT, Errno.EOPNOTSUPP ->
                denied("the monitors ask for a key, and there is none of " + user + " (" + keyring + ")");
            case Errno.EACCES, Errno.EPERM -> denied("the monitors refuse the key of " + user + " (" + keyring + ")");
            default -> failed("the monitors of " + Rados.get(cluster, "mon_host") + " cannot be connected as " + user
                    + ": " + words(result));
        };
    }

    private RbdImage openPool(long cluster) throws IOException {
        step = "the pool " + address.pool() + " was looked up";
        Rados.Made pool = Rados.openPool(cluster, address.pool());
        if (pool.result() < 0) {
            throw pool.result() == -Errno.ENOENT
                    ? missing("there is no pool " + address.pool())
                    : failed("the pool " + address.pool() + " cannot be opened: " + words(pool.result()));
        }
        boolean good = false;
        try {
            if (!address.namespace().isEmpty()) {
                Rados.setNamespace(pool.address(), address.namespace());
            }
            Rados.failWhenFull(pool.address());
            RbdImage image = openImage(cluster, pool.address());
            good = true;
            return image;
        } finally {
            if (!good) {
                Rados.closePool(pool.address());
            }
        }
    }

    private RbdImage openImage(long cluster, long pool) throws IOException {
        step = "the image " + address.imageName() + " was opened";
        String snapshot = address.snapshot();
        Rados.Made made = Rbd.open(pool, address.image(), snapshot, snapshot != null);
        if (!writable
                && (made.result() == -Errno.EPERM || made.result() == -Errno.EROFS || made.result() == -Errno.EACCES)) {
            // A user that may only read cannot watch the image.
            made = Rbd.open(pool, address.image(), snapshot, true);
        }
        if (made.result() < 0) {
            throw unopened(pool, made.result());
        }
        long image = made.address();
        boolean good = false;
        int event = -1;
        RbdImage open = null;
        try {
            if (writable) {
                requireErrorsToBeTold(image);
            }
            if (exclusive) {
                lock(image);
            }
            event = Kernel.event();
            require(Rbd.notify(image, event), "has no events");
            open = new RbdImage(address, new RbdImage.Handles(cluster, pool, image), writable, exclusive, event,
                    optimalBytes(image));
            require(open.watch(), "has no size");
            if (writable) {
                // Whoever writes here knows of flushes: librbd's cache need not wait for the first to believe it.
                require(open.flush(), "cannot be flushed");
            }
            good = true;
            return open;
        } finally {
            if (!good) {
                if (open != null) {
                    open.closeWatch();
                }
                int _ = Rbd.close(image);
                if (event >= 0) {
                    Kernel.close(event);
                }
            }
        }
    }

    /** What the image and its pool say of options comes before what was set for the client. */
    private void requireErrorsToBeTold(long image) throws IOException {
        if ("true".equals(Rbd.option(image, "rbd_cache"))
                && "writearound".equals(Rbd.option(image, "rbd_cache_policy"))) {
            throw failed("the image " + address.imageName()
                    + " has a cache of the policy writearound (rbd_cache and rbd_cache_policy, of the address, the image or its pool), "
                    + "with which no flush says that a write was lost: writeback and writethrough are possible, and rbd_cache=false");
        }
    }

    private IOException unopened(long pool, int result) {
        String name = address.imageName();
        if (result == -Errno.ENOENT) {
            if (address.snapshot() == null) {
                return missing("there is no image " + name);
            }
            Rados.Made without = Rbd.open(pool, address.image(), null, true);
            if (without.result() < 0) {
                return missing("there is no image " + name);
            }
            int _ = Rbd.close(without.address());
            return missing("the image " + name + " has no snapshot " + address.snapshot());
        }
        return result == -Errno.EPERM || result == -Errno.EACCES
                ? denied("client." + address.user() + " has no right to the image " + name)
                : failed("the image " + name + " cannot be opened: " + words(result));
    }

    private void lock(long image) throws IOException {
        step = "the image " + address.imageName() + " was locked";
        long features = require(Rbd.features(image), "has no features");
        if ((features & Rbd.FEATURE_EXCLUSIVE_LOCK) == 0) {
            throw failed("the image " + address.imageName() + " has no feature exclusive-lock (rbd feature enable "
                    + address.imageName()
                    + " exclusive-lock), so it cannot be kept from other writers: share it, or enable the feature");
        }
        // A client whose lock is librbd's affair would hand it over when it is asked, and write on as soon as it gets it back.
        List<String> owners = Rbd.lockOwners(image);
        int result = owners.isEmpty() ? Rbd.lock(image) : -Errno.EBUSY;
        if (result == -Errno.EROFS || result == -Errno.EBUSY) {
            owners = owners.isEmpty() ? Rbd.lockOwners(image) : owners;
            throw AioException.of(Errno.EBUSY, Path.of(address.toString()), "open for writing, which "
                    + (owners.isEmpty() ? "another client" : "client " + String.join(", ", owners)) + " does");
        }
        require(result, "cannot be locked");
    }

    private long require(long result, String what) throws IOException {
        if (result < 0) {
            throw failed("the image " + address.imageName() + " " + what + ": " + words(result));
        }
        return result;
    }

    /** A whole stripe, or an object where there are none. */
    private static int optimalBytes(long image) {
        long object = Rbd.objectBytes(image);
        long unit = Rbd.stripeUnit(image);
        long count = Rbd.stripeCount(image);
        long bytes = unit > 0 && count > 1 ? unit * count : object;
        return bytes > 0 && bytes <= OPTIMAL_MAX ? (int) bytes : 0;
    }

    // Failures.

    private static String words(long errno) {
        return Errno.name(errno);
    }

    private FileSystemException failed(String why) {
        return new FileSystemException(address.toString(), null, why);
    }

    private NoSuchFileException missing(String why) {
        return new NoSuchFileException(address.toString(), null, why);
    }

    private AccessDeniedException denied(String why) {
        return new AccessDeniedException(address.toString(), null, why);
    }
}
