package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.Registration;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** An engine of one hardware queue alone. Guarded by the device's lock. */
final class OwnEngine implements EngineLease {
    private final AioEngine engine;
    private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();
    private @Nullable Registration slabs;

    OwnEngine(AioEngine engine) {
        this.engine = engine;
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
        if (slabs == null) {
            slabs = IoBuffer.observeSlabs(EngineGroup.registering(engine));
        }
    }

    @Override
    public void release() throws Exception {
        try (engine) {
            if (slabs != null) {
                slabs.close();
            }
        }
    }
}
