import org.jspecify.annotations.NullMarked;

/** The loop driver: a file as a multi-queue block device, core above and aio below. */
@NullMarked
// Agrona has no module descriptor.
@SuppressWarnings("requires-automatic") module io.blkmq.loop {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;
    requires transitive io.blkmq.aio;
    requires java.management;
    // Static: only who runs agents needs it, and names it, too.
    requires static org.agrona;

    exports io.blkmq.loop;
    exports io.blkmq.loop.transfer;

    uses io.blkmq.loop.transfer.TransferFunction;
}
