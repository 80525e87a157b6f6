import org.jspecify.annotations.NullMarked;

/** Threads, time and I/O memory, which all other modules take from here. Knows nothing of them. */
// Those that it exports a package to are compiled after this one.
@SuppressWarnings("module") @NullMarked module io.blkmq.runtime {
    requires static transitive org.jspecify;

    exports io.blkmq.runtime;
    exports io.blkmq.runtime.log to io.blkmq.loop, io.blkmq.nbd, io.blkmq.rbd;
    exports io.blkmq.runtime.channel to io.blkmq.core, io.blkmq.aio, io.blkmq.testkit;
}
