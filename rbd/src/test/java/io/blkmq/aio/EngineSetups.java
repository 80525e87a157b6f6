package io.blkmq.aio;

import io.blkmq.rbd.SmallCluster;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;

/** The setups of images on Ceph, for the contract: on the one small cluster of this JVM. */
final class EngineSetups {
    private static final long FIRST_BYTES = 1 << 20;

    private EngineSetups() {}

    static List<Images> all() {
        List<Images> all = new ArrayList<>();
        for (CompletionMode mode : CompletionMode.values()) {
            all.add(new Images(mode, mode != CompletionMode.REAPER));
        }
        return all;
    }

    /** Images that are made once and used again, with another size and other bytes. */
    record Images(CompletionMode mode, boolean direct) implements EngineSetup {
        /** Names of those that no test uses now. */
        private static final ConcurrentLinkedDeque<Path> IDLE = new ConcurrentLinkedDeque<>();
        private static final AtomicInteger COUNT = new AtomicInteger();

        @Override
        public String engine() {
            return "rbd";
        }

        @Override
        public Object place() {
            return "a small cluster";
        }

        @Override
        public void assumeAvailable() throws IOException {
            SmallCluster _ = SmallCluster.shared();
        }

        @Override
        public AioEngine open(AioEngineConfig.Builder builder) throws IOException {
            AioEngine opened = AioEngines.open("rbd", builder.completionMode(mode).build());
            if (mode == CompletionMode.AGENT) {
                AgentThread.run(opened);
            }
            return opened;
        }

        @Override
        public Path make(byte[] content) throws IOException {
            Path path = IDLE.poll();
            if (path == null) {
                SmallCluster cluster = SmallCluster.shared();
                path = Path.of(cluster.address(cluster.create("contract" + COUNT.incrementAndGet(), FIRST_BYTES)));
            }
            try (AioEngine engine = AioEngines.open("rbd", AioEngineConfig.defaults());
                    AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true);
                    Arena arena = Arena.ofShared()) {
                if (file.size() != content.length) {
                    file.check(file.setSize(content.length), "set the size");
                }
                MemorySegment memory = arena.allocate(content.length);
                memory.copyFrom(MemorySegment.ofArray(content));
                file.check(file.write(0, memory), "write");
                file.check(file.sync(false), "sync");
            }
            return path;
        }

        @Override
        public void remove(Path path) {
            IDLE.push(path);
        }

        /** An address goes on behind the name of the image. */
        @Override
        public Path missing(Path path) {
            return Path.of(path.toString().replaceFirst("contract", "missing"));
        }

        @Override
        public boolean holdsUntilCommit() {
            return false;
        }

        @Override
        public boolean hasDoorbell() {
            return false;
        }

        @Override
        public boolean carriesOutRanges() {
            return true;
        }

        @Override
        public boolean isOfFileSystem() {
            return false;
        }

        @Override
        public boolean isNative() {
            return false;
        }

        @Override
        public String toString() {
            return "rbd " + mode + (direct ? " direct" : " buffered");
        }
    }
}
