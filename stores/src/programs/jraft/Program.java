import com.alipay.sofa.jraft.entity.LocalStorageOutter.StablePBMeta;
import com.alipay.sofa.jraft.storage.io.ProtoBufFile;
import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** JRaft's file of term and vote: what was saved with sync is kept. */
public final class Program implements StoreProgram {
    private static final int TERMS = 3;

    @Override
    public void work(Path directory, List<String> acknowledged) throws IOException {
        ProtoBufFile file = new ProtoBufFile(directory.resolve("raft_meta").toString());
        for (int term = 1; term <= TERMS; term++) {
            if (!file.save(StablePBMeta.newBuilder().setTerm(term).setVotedfor("127.0.0.1:8081").build(), true)) {
                throw new IOException("not saved: term " + term);
            }
            acknowledged.add("" + term);
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException {
        java.io.File path = directory.resolve("raft_meta").toFile();
        long term = path.exists() ? ((StablePBMeta) new ProtoBufFile(path.toString()).load()).getTerm() : 0;
        if (term < acknowledged.size()) {
            throw new AssertionError("term " + acknowledged.size() + " was saved, " + term + " is there");
        }
    }
}
