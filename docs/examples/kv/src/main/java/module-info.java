/** A key-value log on a disk of blkmq. */
module example.kv {
    requires transitive io.blkmq.core;
    requires io.blkmq.loop;

    exports example.kv;
}
