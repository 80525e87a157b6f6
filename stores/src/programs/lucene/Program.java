import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexNotFoundException;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.SerialMergeScheduler;
import org.apache.lucene.store.NIOFSDirectory;

/** Lucene: a document that was committed is kept. */
public final class Program implements StoreProgram {
    private static final int COMMITS = 4;
    private static final int DOCUMENTS = 3;

    @Override
    public void work(Path directory, List<String> acknowledged) throws IOException {
        try (NIOFSDirectory files = new NIOFSDirectory(directory);
                IndexWriter writer = new IndexWriter(files,
                        new IndexWriterConfig(null).setMergeScheduler(new SerialMergeScheduler()))) {
            for (int commit = 0; commit < COMMITS; commit++) {
                List<String> ids = new ArrayList<>();
                for (int i = 0; i < DOCUMENTS; i++) {
                    ids.add(commit + "." + i);
                    Document document = new Document();
                    document.add(new StringField("id", ids.getLast(), Field.Store.YES));
                    writer.addDocument(document);
                }
                if (commit == COMMITS - 1) {
                    writer.forceMerge(1);
                }
                writer.commit();
                acknowledged.addAll(ids);
            }
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException {
        List<String> found = new ArrayList<>();
        try (NIOFSDirectory files = new NIOFSDirectory(directory)) {
            try (IndexWriter writer = new IndexWriter(files,
                    new IndexWriterConfig(null).setMergeScheduler(new SerialMergeScheduler()));
                    DirectoryReader reader = DirectoryReader.open(writer)) {
                for (int i = 0; i < reader.maxDoc(); i++) {
                    found.add(reader.storedFields().document(i).get("id"));
                }
            } catch (IndexNotFoundException e) {
                // Nothing was committed, or it is missed below.
            }
        }
        if (!found.containsAll(acknowledged)) {
            throw new AssertionError("committed " + acknowledged + ", found " + found);
        }
    }
}
