import io.blkmq.stores.StoreProgram;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.activemq.artemis.core.io.nio.NIOSequentialFileFactory;
import org.apache.activemq.artemis.core.journal.PreparedTransactionInfo;
import org.apache.activemq.artemis.core.journal.RecordInfo;
import org.apache.activemq.artemis.core.journal.impl.JournalImpl;

/** Artemis' journal: a record that was appended with sync is kept. */
public final class Program implements StoreProgram {
    private static final int RECORDS = 5;
    private static final int FILE_BYTES = 64 << 10;

    private record Opened(NIOSequentialFileFactory factory, JournalImpl journal, List<RecordInfo> records) implements AutoCloseable {
        @Override
        public void close() {
            journal.stop();
            factory.stop();
        }
    }

    private static Opened open(Path directory) throws Exception {
        NIOSequentialFileFactory factory = new NIOSequentialFileFactory(directory.toFile(), 1);
        factory.start();
        JournalImpl journal = new JournalImpl(FILE_BYTES, 2, 2, 0, 0, factory, "data", "amq", 1);
        journal.start();
        List<RecordInfo> records = new ArrayList<>();
        List<PreparedTransactionInfo> prepared = new ArrayList<>();
        journal.load(records, prepared, null, false);
        return new Opened(factory, journal, records);
    }

    @Override
    public void prepare(Path directory) throws Exception {
        open(directory).close();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) throws Exception {
        try (Opened opened = open(directory)) {
            for (int i = 1; i <= RECORDS; i++) {
                opened.journal.appendAddRecord(i, (byte) 1, ("record " + i).getBytes(StandardCharsets.UTF_8), true);
                acknowledged.add("record " + i);
            }
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws Exception {
        try (Opened opened = open(directory)) {
            List<String> found = opened.records.stream().map(record -> new String(record.data, StandardCharsets.UTF_8)).toList();
            if (!found.containsAll(acknowledged)) {
                throw new AssertionError("appended " + acknowledged + ", found " + found);
            }
        }
    }
}
