package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioUnavailableException;
import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.Registration;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The completion engines that devices of this process share: for each kind of engine a few rings, each with its reaper, as many as there
 * are processors at the most; and those of the application's that devices were given.
 *
 * <pre>
 *        acquire: the first user               release: the last user
 * (none) ----------------------&gt; OPEN, users &gt; 0 --------------------&gt; (none), closed
 *                                 |    ^
 *                                 +----+ acquire, release: one user more or less
 * </pre>
 *
 * <p>A user is a hardware queue of a device. It gets the engine that has the fewest users, or a new one if all have users and there
 * are fewer than processors. Where no more can be opened (descriptors, fs.aio-max-nr) it shares one that is there. An engine that its
 * kernel has refused for good gets no new users.
 *
 * <p>All of it is guarded by one lock. An engine is opened with the lock held, so that of two devices that come at once one opens and the
 * other shares. It is closed after the lock has been let go: closing waits for the reaper, and who comes meanwhile gets another engine.
 */
final class EngineGroup {
    /** The engines of this process. */
    static final EngineGroup PROCESS = new EngineGroup(Runtime.getRuntime().availableProcessors(), EngineGroup::open,
            new ReentrantLock());

    /** Entries of all shared rings of a kind, together. */
    private static final int DEPTH_ALL = 8192;
    /** The largest and the smallest ring. A device with a deeper queue has rings of its own. */
    private static final int DEPTH_MAX = 1024;
    private static final int DEPTH_MIN = 128;

    /** Opens an engine of a kind, with so many entries; the number makes the names of its threads different. */
    @FunctionalInterface
    interface Opener {
        AioEngine open(String kind, int number, int depth) throws IOException;
    }

    private final int enginesMax;
    private final int depth;
    private final Opener opener;

    private final Lock lock;
    /** Those open, by kind. Guarded by the lock, as all that follows. */
    private final Map<String, List<Shared>> shared = new HashMap<>();
    /** Those of the application's, while devices have them. */
    private final IdentityHashMap<AioEngine, Shared> given = new IdentityHashMap<>();

    /** An engine, and how many hardware queues use it. Guarded by the lock, but for what is final. */
    private final class Shared implements EngineLease {
        private final AioEngine engine;
        private final @Nullable String kind;
        private final int number;
        private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();
        private int users;
        private @Nullable Registration slabs;

        /**
         * An engine without users.
         *
         * @param kind null if it is the application's
         */
        Shared(AioEngine engine, @Nullable String kind, int number) {
            this.engine = engine;
            this.kind = kind;
            this.number = number;
        }

        @Override
        public AioEngine engine() {
            return engine;
        }

        @Override
        public AtomicReference<@Nullable Thread> owner() {
            return owner;
        }

        @Override
        public void tellOfMemory() {
            Parking.lock(lock);
            try {
                if (slabs == null) {
                    slabs = IoBuffer.observeSlabs(registering(engine));
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void release() throws Exception {
            Registration told;
            Parking.lock(lock);
            try {
                assert users > 0 : engine + " has no users";
                if (--users > 0) {
                    return;
                }
                forget(this);
                told = slabs;
                slabs = null;
            } finally {
                lock.unlock();
            }
            try (AutoCloseable _ = kind == null ? null : engine) {
                if (told != null) {
                    told.close();
                }
            }
        }
    }

    EngineGroup(int enginesMax, Opener opener, Lock lock) {
        this.enginesMax = enginesMax;
        this.depth = Math.clamp(DEPTH_ALL / enginesMax, DEPTH_MIN, DEPTH_MAX);
        this.opener = opener;
        this.lock = lock;
    }

    /** What registers memory with an engine; what becomes of it is no matter. */
    private static Consumer<MemorySegment> registering(AioEngine engine) {
        return slab -> {
            boolean _ = engine.registerMemory(slab);
        };
    }

    /** Whether devices with parameters share engines. */
    boolean isFor(LoopParameters parameters) {
        return !parameters.isPolled() && parameters.depth() <= depth
                && AioEngines.find(parameters.engine()).isShareable();
    }

    /** Engines of a kind for so many hardware queues, each to be released; all or none. */
    List<EngineLease> acquire(String kind, int count) throws IOException {
        List<EngineLease> found = new ArrayList<>();
        try {
            Parking.lock(lock);
            try {
                List<Shared> all = shared.computeIfAbsent(kind, _ -> new ArrayList<>());
                // Those that have died are their users' alone.
                all.removeIf(one -> !one.engine.isOpen());
                for (int i = 0; i < count; i++) {
                    Shared one = findOrOpen(kind, all);
                    one.users++;
                    found.add(one);
                }
            } finally {
                lock.unlock();
            }
        } catch (Throwable t) {
            found.forEach(lease -> Undo.part(kind, "an engine of several was given up", lease::release));
            throw t;
        }
        return found;
    }

    /** With the lock held. */
    private Shared findOrOpen(String kind, List<Shared> all) throws IOException {
        Shared least = null;
        for (Shared one : all) {
            if (least == null || one.users < least.users) {
                least = one;
            }
        }
        if (least != null && (least.users == 0 || all.size() >= enginesMax)) {
            return least;
        }
        try {
            int number = freeNumber(all);
            Shared opened = new Shared(opener.open(kind, number, depth), kind, number);
            all.add(opened);
            return opened;
        } catch (IOException e) {
            if (least == null) {
                throw e;
            }
            return least;
        }
    }

    private static int freeNumber(List<Shared> all) {
        for (int number = 0;; number++) {
            int wanted = number;
            if (all.stream().noneMatch(one -> one.number == wanted)) {
                return number;
            }
        }
    }

    /** An engine of one hardware queue alone, which nobody else is given; to be released, which closes it. */
    EngineLease own(AioEngine engine) {
        Shared one = new Shared(engine, "own", 0);
        one.users++;
        return one;
    }

    /** The use of an engine of the application's by a hardware queue; to be released. */
    EngineLease use(AioEngine engine) {
        Parking.lock(lock);
        try {
            Shared one = given.computeIfAbsent(engine, _ -> new Shared(engine, null, 0));
            one.users++;
            return one;
        } finally {
            lock.unlock();
        }
    }

    /** An engine has no user any more. With the lock held. */
    private void forget(Shared engine) {
        if (engine.kind == null) {
            given.remove(engine.engine);
        } else {
            shared.getOrDefault(engine.kind, new ArrayList<>()).remove(engine);
        }
    }

    /** How many engines there are now, the application's included. */
    int size() {
        Parking.lock(lock);
        try {
            return given.size() + shared.values().stream().mapToInt(List::size).sum();
        } finally {
            lock.unlock();
        }
    }

    /** Opens one with a reaper, and fewer entries where the system refuses so many. */
    private static AioEngine open(String kind, int number, int depth) throws IOException {
        AtomicInteger threads = new AtomicInteger();
        String prefix = "blkmq-" + kind + "-" + number + "-";
        for (int entries = depth;; entries /= 2) {
            try {
                return AioEngines.open(kind,
                        AioEngineConfig.builder().depth(entries).inFlightMax(AioEngineConfig.IN_FLIGHT_MAX)
                                .threadFactory(work -> Thread.ofPlatform().daemon()
                                        .name(prefix + threads.getAndIncrement()).unstarted(work))
                                .reapListener(LoopConfig.REAP_LISTENER).build());
            } catch (AioUnavailableException e) {
                throw e;
            } catch (IOException e) {
                if (entries <= DEPTH_MIN) {
                    throw e;
                }
            }
        }
    }
}
