package io.blkmq.loop;

import io.blkmq.core.Disk;
import io.blkmq.rbd.SmallCluster;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Images on Ceph behind loop devices, for the contract: on the one small cluster of this JVM. */
final class DiskSetups {
    private static final AtomicReference<@Nullable Path> PATH = new AtomicReference<>();

    private DiskSetups() {}

    /** One image, whatever it holds: the tests run one after the other. */
    private record Image(boolean polled) implements DiskSetup.Device {
        @Override
        public Disk open(Path directory) throws IOException {
            return LoopDevice.attach(LoopConfig.builder(path()).polled(polled).build()).disk();
        }

        private static Path path() throws IOException {
            SmallCluster cluster = SmallCluster.shared();
            Path there = PATH.get();
            if (there == null) {
                there = Path.of(cluster.address(cluster.create("contract-disk", DiskSetup.BYTES)));
                PATH.set(there);
            }
            return there;
        }

        @Override
        public String toString() {
            return "rbd" + (polled ? " polled" : " reaper");
        }
    }

    static List<DiskSetup.Device> devices() {
        return List.of(new Image(false), new Image(true));
    }
}
