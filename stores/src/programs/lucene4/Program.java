import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.analysis.core.KeywordAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.SerialMergeScheduler;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.SimpleFSDirectory;
import org.apache.lucene.util.Version;

/** Lucene of the years when it knew java.io.File alone: a document that was committed is kept. */
public final class Program implements StoreProgram {
    private static final int COMMITS = 2;

    private static IndexWriter writer(Directory files) throws IOException {
        IndexWriterConfig config = new IndexWriterConfig(Version.LUCENE_47, new KeywordAnalyzer());
        config.setMergeScheduler(new SerialMergeScheduler());
        return new IndexWriter(files, config);
    }

    @Override
    public void work(Path directory, List<String> acknowledged) throws IOException {
        try (Directory files = new SimpleFSDirectory(directory.toFile()); IndexWriter writer = writer(files)) {
            for (int commit = 0; commit < COMMITS; commit++) {
                Document document = new Document();
                document.add(new StringField("id", "" + commit, Field.Store.YES));
                writer.addDocument(document);
                writer.commit();
                acknowledged.add("" + commit);
            }
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException {
        // A hint that Lucene 4 writes without a sync, and that it cannot read if a crash has left zeroes: a defect of its own, see docs/found.md.
        Files.deleteIfExists(directory.resolve("segments.gen"));
        List<String> found = new ArrayList<>();
        try (Directory files = new SimpleFSDirectory(directory.toFile());
                IndexWriter writer = writer(files);
                DirectoryReader reader = DirectoryReader.open(writer, true)) {
            for (int i = 0; i < reader.maxDoc(); i++) {
                found.add(reader.document(i).get("id"));
            }
        }
        if (!found.containsAll(acknowledged)) {
            throw new AssertionError("committed " + acknowledged + ", found " + found);
        }
    }
}
