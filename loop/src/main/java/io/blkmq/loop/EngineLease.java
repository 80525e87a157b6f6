package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** The use of an engine by a hardware queue of a device: from its first file until the device is removed. */
interface EngineLease {
    AioEngine engine();

    /** The one thread that may use the engine, if it is polled; null as long as none has. All its users have the same. */
    AtomicReference<@Nullable Thread> owner();

    /** The engine is to be told of the memory that blkmq has, and of what it will have. Once is enough, of whichever of its users. */
    void tellOfMemory();

    /** Ends the use. Called once, with nothing of this user's in flight. */
    void release() throws Exception;
}
