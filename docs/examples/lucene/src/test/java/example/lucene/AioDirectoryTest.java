package example.lucene;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.CompletionMode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.agrona.concurrent.Agent;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.KeywordField;
import org.apache.lucene.document.NumericDocValuesField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.index.SerialMergeScheduler;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.store.DataAccessHint;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.FSLockFactory;
import org.apache.lucene.store.IOContext;
import org.apache.lucene.store.IndexInput;
import org.apache.lucene.store.IndexOutput;
import org.apache.lucene.tests.mockfile.FilterPath;
import org.apache.lucene.tests.store.BaseChunkedDirectoryTestCase;
import org.junit.AfterClass;
import org.junit.BeforeClass;

/** Lucene's own tests of directories, and those of directories that read in pieces: with windows of any size. */
public class AioDirectoryTest extends BaseChunkedDirectoryTestCase {
    private static AioEngine engine;

    @BeforeClass
    public static void open() throws IOException {
        engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "libaio", "channel");
    }

    @AfterClass
    public static void close() {
        engine.close();
        engine = null;
    }

    @Override
    protected Directory getDirectory(Path path) throws IOException {
        return random().nextBoolean() ? direct(path, 0) : super.getDirectory(path);
    }

    private static Directory direct(Path path, int windowBytes) throws IOException {
        // The framework's paths pretend to be of other systems; files are opened by their own.
        return new AioDirectory(path, FSLockFactory.getDefault(), engine, true, windowBytes, FilterPath::unwrap);
    }

    /** Buffered, so that a window may be smaller than a block. */
    @Override
    protected Directory getDirectory(Path path, int windowBytes) throws IOException {
        return new AioDirectory(path, FSLockFactory.getDefault(), engine, false, Integer.highestOneBit(windowBytes), FilterPath::unwrap);
    }

    // ---- what Lucene's tests do not ask

    /** A file of direct I/O whose end is not that of a block. */
    private static byte[] write(Directory directory, String name, int bytes) throws IOException {
        byte[] content = new byte[bytes];
        random().nextBytes(content);
        try (IndexOutput output = directory.createOutput(name, IOContext.DEFAULT)) {
            output.writeBytes(content, bytes);
        }
        return content;
    }

    /** An agent finds completions by a look at memory: so all system calls are those of the thread that reads. */
    public void testABatchThatWasPrefetchedIsOneSystemCall() throws Exception {
        assumeTrue("only a ring counts them so", engine.name().equals("io_uring"));
        AtomicBoolean done = new AtomicBoolean();
        try (AioEngine ring = AioEngines.openFirst(AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build(), "io_uring")) {
            Agent agent = ring.agent();
            Thread completing = Thread.ofPlatform().start(() -> {
                while (!done.get()) {
                    try {
                        agent.doWork();
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                    Thread.yield();
                }
            });
            try (Directory directory = new AioDirectory(createTempDir(), FSLockFactory.getDefault(), ring, true, 4096, FilterPath::unwrap)) {
                byte[] content = write(directory, "data", 1_000_003);
                try (IndexInput one = directory.openInput("data", IOContext.DEFAULT); IndexInput other = one.clone()) {
                    long before = ring.statistics().systemCalls();
                    for (int i = 0; i < 16; i++) {
                        (i % 2 == 0 ? one : other).prefetch(i * 50_000, 100);
                    }
                    assertEquals("a hint alone is no system call", before, ring.statistics().systemCalls());
                    byte[] read = new byte[100];
                    for (int i = 0; i < 16; i++) {
                        IndexInput input = i % 2 == 0 ? one : other;
                        input.seek(i * 50_000);
                        input.readBytes(read, 0, 100);
                        assertArrayEquals(Arrays.copyOfRange(content, i * 50_000, i * 50_000 + 100), read);
                    }
                    assertEquals(before + 1, ring.statistics().systemCalls());
                }
            } finally {
                done.set(true);
                completing.join();
            }
        }
    }

    public void testWhatIsNeverReadIsGivenBack() throws Exception {
        try (Directory directory = direct(createTempDir(), 0)) {
            write(directory, "data", 1_000_003);
            try (IndexInput input = directory.openInput("data", IOContext.DEFAULT)) {
                for (int i = 0; i < 10 * SharedFile.RANGES; i++) {
                    input.prefetch(random().nextInt(1_000_000), 1 + random().nextInt(3));
                }
            }
            engine.commit();
        }
    }

    public void testRandomReadsOfRandomWindows() throws Exception {
        for (int window : new int[]{0, 4096, 16384, 65536}) {
            try (Directory directory = direct(createTempDir(), window)) {
                byte[] content = write(directory, "data", random().nextInt(600_000) + 1);
                try (IndexInput input = directory.openInput("data", random().nextBoolean() ? IOContext.DEFAULT : IOContext.READONCE)) {
                    IndexInput slice = input.slice("a part", content.length / 3, content.length - content.length / 3);
                    for (int i = 0; i < 500; i++) {
                        boolean part = random().nextBoolean();
                        int begin = part ? content.length / 3 : 0;
                        IndexInput from = part ? slice : input;
                        int at = random().nextInt(content.length - begin);
                        int bytes = random().nextInt(Math.min(content.length - begin - at, random().nextBoolean() ? 200_000 : 100) + 1);
                        if (random().nextInt(3) == 0) {
                            from.prefetch(at, bytes);
                        }
                        byte[] read = new byte[bytes];
                        from.seek(at);
                        from.readBytes(read, 0, bytes);
                        assertArrayEquals(Arrays.copyOfRange(content, begin + at, begin + at + bytes), read);
                    }
                }
            }
        }
    }

    /** Ranges are shared, and displaced while others read them. */
    public void testManyThreadsPrefetchAndReadTheSamePlaces() throws Exception {
        try (Directory directory = direct(createTempDir(), 4096)) {
            byte[] content = write(directory, "data", 500_000);
            List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
            try (IndexInput input = directory.openInput("data", IOContext.DEFAULT)) {
                List<Thread> threads = new ArrayList<>();
                for (int t = 0; t < 4; t++) {
                    IndexInput own = input.clone();
                    long seed = random().nextLong();
                    threads.add((t % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual()).start(() -> {
                        try {
                            prefetchAndRead(own, content, new SplittableRandom(seed));
                        } catch (Throwable e) {
                            failures.add(e);
                        }
                    }));
                }
                for (Thread thread : threads) {
                    thread.join();
                }
            }
            assertEquals(List.of(), failures);
        }
    }

    private static void prefetchAndRead(IndexInput input, byte[] content, SplittableRandom random) throws IOException {
        byte[] read = new byte[10_000];
        for (int i = 0; i < 200; i++) {
            int[] places = random.ints(24, 0, 50).map(place -> place * 9_000).toArray();
            for (int place : places) {
                input.prefetch(place, read.length);
            }
            for (int place : places) {
                input.seek(place);
                input.readBytes(read, 0, read.length);
                assertArrayEquals(Arrays.copyOfRange(content, place, place + read.length), read);
            }
        }
    }

    /** The same documents in memory, and the same answers. */
    public void testAnIndexAnswersAsOneInMemory() throws Exception {
        try (Directory directory = direct(createTempDir(), 0); Directory memory = new ByteBuffersDirectory()) {
            List<Document> documents = new ArrayList<>();
            for (int i = 0; i < 2000; i++) {
                Document document = new Document();
                document.add(new KeywordField("id", Integer.toString(i), Field.Store.YES));
                document.add(new NumericDocValuesField("number", i * 7L));
                StringBuilder text = new StringBuilder();
                for (int w = 0; w < 30; w++) {
                    text.append("w").append(random().nextInt(200)).append(' ');
                }
                document.add(new TextField("text", text.toString(), Field.Store.YES));
                documents.add(document);
            }
            for (Directory each : List.of(directory, memory)) {
                try (IndexWriter writer = new IndexWriter(each, new IndexWriterConfig(new StandardAnalyzer()).setMergePolicy(new LogDocMergePolicy())
                        .setMergeScheduler(new SerialMergeScheduler()).setMaxBufferedDocs(100))) {
                    for (Document document : documents) {
                        writer.addDocument(document);
                    }
                    writer.commit();
                    writer.deleteDocuments(new Term("text", "w7"));
                    writer.commit();
                }
            }
            assertEquals(answers(memory), answers(directory));
        }
    }

    private static List<String> answers(Directory directory) throws IOException {
        List<String> answers = new ArrayList<>();
        try (DirectoryReader reader = DirectoryReader.open(directory)) {
            IndexSearcher searcher = new IndexSearcher(reader);
            for (int w = 0; w < 200; w += 13) {
                for (ScoreDoc hit : searcher.search(new TermQuery(new Term("text", "w" + w)), 20).scoreDocs) {
                    answers.add(searcher.storedFields().document(hit.doc).get("id") + " " + hit.score);
                }
            }
        }
        assertTrue(answers.size() > 100);
        return answers;
    }

    public void testAPolledEngineIsRefused() throws Exception {
        try (AioEngine polled = AioEngines.openFirst(AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build(), "io_uring", "memory")) {
            assertTrue(expectThrows(IllegalArgumentException.class, () -> new AioDirectory(createTempDir(), polled)).getMessage()
                    .contains("is polled"));
        }
    }
}
