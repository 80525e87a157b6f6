package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The setups of this module's engines, for the contract. */
final class EngineSetups {
    private EngineSetups() {}

    static List<EngineSetup> all() throws IOException {
        List<EngineSetup> all = new ArrayList<>(Setup.all());
        for (CompletionMode mode : CompletionMode.values()) {
            all.add(new Driven(mode));
        }
        return all;
    }

    /** An engine as other modules make theirs. */
    record Driven(CompletionMode mode) implements EngineSetup {
        @Override
        public String engine() {
            return ArrayDriver.NAME;
        }

        @Override
        public boolean direct() {
            return true;
        }

        @Override
        public Object place() {
            return "arrays";
        }

        @Override
        public void assumeAvailable() {
            // Everywhere.
        }

        @Override
        public AioEngine open(AioEngineConfig.Builder builder) {
            AioEngine opened = AioEngines.drive(new ArrayDriver(), builder.completionMode(mode).build());
            if (mode == CompletionMode.AGENT) {
                AgentThread.run(opened);
            }
            return opened;
        }

        @Override
        public Path make(byte[] content) {
            return ArrayDriver.make(content);
        }

        @Override
        public void remove(Path path) {
            ArrayDriver.remove(path);
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
            return "a driver of another module " + mode;
        }
    }
}
