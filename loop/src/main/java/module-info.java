import org.jspecify.annotations.NullMarked;

/** The loop driver: a file as a multi-queue block device, core above and aio below. */
@NullMarked module io.blkmq.loop {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;
    requires transitive io.blkmq.aio;
    requires java.management;

    exports io.blkmq.loop;
    exports io.blkmq.loop.transfer;

    uses io.blkmq.loop.transfer.TransferFunction;
}
