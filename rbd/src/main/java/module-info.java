import org.jspecify.annotations.NullMarked;

/** Disks on Ceph: {@link io.blkmq.rbd.RbdEngineProvider an engine} whose files are images of RBD, through librbd. */
@NullMarked module io.blkmq.rbd {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.aio;

    exports io.blkmq.rbd;

    provides io.blkmq.aio.AioEngineProvider with io.blkmq.rbd.RbdEngineProvider;
}
