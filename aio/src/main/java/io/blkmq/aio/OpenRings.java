package io.blkmq.aio;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The engines with a ring that have not been closed. It keeps them reachable, and with them the memory of what is in flight, should the
 * application forget an engine: the kernel still writes there. Any thread may call it.
 */
final class OpenRings {

    private static final Set<NativeEngine> OPEN = ConcurrentHashMap.newKeySet();

    private OpenRings() {}

    static void add(NativeEngine engine) {
        OPEN.add(engine);
    }

    static void remove(NativeEngine engine) {
        OPEN.remove(engine);
    }

    /** Those open now. */
    static Set<NativeEngine> now() {
        return Set.copyOf(OPEN);
    }
}
