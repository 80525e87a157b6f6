import org.jspecify.annotations.NullMarked;

/** Disks over the network block device protocol: {@link io.blkmq.nbd.NbdServer a server for any disk}. */
@NullMarked module io.blkmq.nbd {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;

    exports io.blkmq.nbd;
}
