import org.jspecify.annotations.NullMarked;

/** Completion engines over files: io_uring, libaio, threads, memory, null. Knows nothing of the block layer. */
@NullMarked
// Agrona has no module descriptor, and a name of its own in its manifest.
@SuppressWarnings("requires-automatic") module io.blkmq.aio {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.runtime;
    // Static: only who runs agents needs it, and names it, too. jlink takes no module without a descriptor.
    requires static org.agrona;
    requires org.jctools.core.jdk11;
    // Not static: then a recording that begins later would find that the module is not there.
    requires jdk.jfr;
    // For ExtendedOpenOption.DIRECT, nothing else.
    requires jdk.unsupported;

    exports io.blkmq.aio;

    uses io.blkmq.aio.AioEngineProvider;

    provides io.blkmq.aio.AioEngineProvider with io.blkmq.aio.UringEngineProvider, io.blkmq.aio.LibaioEngineProvider,
            io.blkmq.aio.ChannelEngineProvider, io.blkmq.aio.MemoryEngineProvider, io.blkmq.aio.NullEngineProvider;
}
