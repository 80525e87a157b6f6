import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServerConfigKeys.Log.CorruptionPolicy;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.server.storage.RaftStorage.StartupOption;
import org.apache.ratis.server.storage.RaftStorageMetadata;
import org.apache.ratis.server.storage.StorageImplUtils;
import org.apache.ratis.util.SizeInBytes;

/** Ratis' file of term and vote: what was persisted is kept. */
public final class Program implements StoreProgram {
    private static final int TERMS = 4;

    private static RaftStorage open(Path directory, StartupOption option) throws IOException {
        RaftStorage storage = StorageImplUtils.newRaftStorage(directory.resolve("group").toFile(), SizeInBytes.ONE_KB, option,
                CorruptionPolicy.getDefault());
        storage.initialize();
        return storage;
    }

    @Override
    public void prepare(Path directory) throws IOException {
        open(directory, StartupOption.FORMAT).close();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) throws IOException {
        try (RaftStorage storage = open(directory, StartupOption.RECOVER)) {
            for (int term = 1; term <= TERMS; term++) {
                storage.getMetadataFile().persist(RaftStorageMetadata.valueOf(term, RaftPeerId.valueOf("p1")));
                acknowledged.add("" + term);
            }
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException {
        try (RaftStorage storage = open(directory, StartupOption.RECOVER)) {
            long term = storage.getMetadataFile().getMetadata().getTerm();
            if (term < acknowledged.size()) {
                throw new AssertionError("term " + acknowledged.size() + " was persisted, " + term + " is there");
            }
        }
    }
}
