package io.blkmq.loop;

import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.core.Disk;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** The disks that are seen from this module, for the contract: null block devices, and files behind loop devices. */
final class DiskSetups {
    private DiskSetups() {}

    /** A null block device in memory. */
    private record Null(String name, NullBlk.Builder builder) implements DiskSetup.Device {
        @Override
        public Disk open(Path directory) throws IOException {
            return builder.memoryBacked(true).capacityBytes(DiskSetup.BYTES).build();
        }

        @Override
        public String toString() {
            return "null " + name;
        }
    }

    /** A file, through an engine if it is direct and through the work queue if it is not. */
    private record Loop(String engine, boolean direct, boolean polled) implements DiskSetup.Device {
        @Override
        public Disk open(Path directory) throws IOException {
            Optional<String> reason = AioEngines.find(engine).unavailable();
            DiskSetup.skipUnless(reason.isEmpty(), "engine " + engine + " is not available: " + reason.orElse(""));
            byte[] content = new byte[DiskSetup.BYTES];
            new Random(7).nextBytes(content);
            Path file = Files.write(directory.resolve("disk.img"), content);
            LoopDevice attached = LoopDevice
                    .attach(LoopConfig.builder(file).engine(engine).direct(direct).polled(polled).build());
            boolean asWanted = attached.isDirect() == direct;
            if (!asWanted) {
                attached.close();
            }
            DiskSetup.skipUnless(asWanted, "no direct I/O in " + directory + " with engine " + engine);
            return attached.disk();
        }

        @Override
        public String toString() {
            return "loop " + (direct ? engine + " direct" : "buffered") + (polled ? " polled" : " reaper");
        }
    }

    static List<DiskSetup.Device> devices() {
        List<DiskSetup.Device> devices = new ArrayList<>();
        for (NullBlk.Completion completion : NullBlk.Completion.values()) {
            devices.add(
                    new Null(completion.toString(), NullBlk.builder().completion(completion).completionNanos(1_000)));
        }
        devices.add(new Null("with a driver that blocks",
                NullBlk.builder().completion(NullBlk.Completion.REAPER).flag(TagSet.Flag.BLOCKING).blockNanos(1_000)));
        devices.add(new Null("POLLED of depth 2", NullBlk.builder().depth(2)));
        devices.add(new Null("REAPER of depth 2 with two queues and host-wide tags", NullBlk.builder()
                .completion(NullBlk.Completion.REAPER).depth(2).hardwareQueues(2).flag(TagSet.Flag.HOST_WIDE_TAGS)));
        devices.add(new Null("INLINE with a write cache and blocks of 4 KiB",
                NullBlk.builder().completion(NullBlk.Completion.INLINE).blockBytes(4096).cacheBytes(64 << 10)));
        for (boolean polled : new boolean[]{false, true}) {
            for (AioEngineProvider provider : AioEngines.providers()) {
                if (!provider.name().equals("null")) {
                    devices.add(new Loop(provider.name(), true, polled));
                }
            }
            devices.add(new Loop("channel", false, polled));
        }
        return devices;
    }
}
