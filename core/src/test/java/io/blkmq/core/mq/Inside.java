package io.blkmq.core.mq;

import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;

/** What stands behind the types that drivers see: for tests that look into the engine room. */
public final class Inside {
    private Inside() {}

    /**
     * In which class those wait whom a frozen queue does not let in, for tests of other packages.
     *
     * @return for {@code Eventually.waitsIn}
     */
    public static Class<?> gate() {
        return QueueGate.class;
    }

    static DeviceQueue of(RequestQueue queue) {
        return (DeviceQueue) queue;
    }

    static TagRequest of(Request rq) {
        return (TagRequest) rq;
    }

    static RequestPool of(TagSet set) {
        return (RequestPool) set;
    }

    static DispatchContext of(HardwareContext hctx) {
        return (DispatchContext) hctx;
    }

    static EntryContext of(SoftwareContext ctx) {
        return (EntryContext) ctx;
    }
}
