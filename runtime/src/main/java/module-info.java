import org.jspecify.annotations.NullMarked;

/** Threads, time and I/O memory, which all other modules take from here. Knows nothing of them. */
@NullMarked module io.blkmq.runtime {
    requires static transitive org.jspecify;

    exports io.blkmq.runtime;
}
