import io.blkmq.testkit.fs.MemoryFileSystem;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.IndexOutput;
import org.apache.lucene.store.NIOFSDirectory;
import org.apache.lucene.tests.store.BaseDirectoryTestCase;
import org.junit.AfterClass;
import org.junit.BeforeClass;

/** Lucene's own tests of directories, on files of the testkit's provider. */
public class ProviderDirectoryTest extends BaseDirectoryTestCase {
    private static FileSystem memory;

    @BeforeClass
    public static void make() {
        memory = MemoryFileSystem.create("lucene-directory");
    }

    @AfterClass
    public static void close() throws IOException {
        memory.close();
        memory = null;
    }

    /** The same directory for the same path of the framework's. */
    @Override
    protected Directory getDirectory(Path path) throws IOException {
        return new NIOFSDirectory(inMemory(path));
    }

    private static Path inMemory(Path path) {
        return memory.getPath("/" + path.toString().replaceAll("[^A-Za-z0-9]+", "-"));
    }

    /** Lucene's deletes a file by the framework's path. */
    @Override
    public void testFsyncDoesntCreateNewFiles() throws IOException {
        Path path = inMemory(createTempDir("nocreate"));
        try (Directory directory = new NIOFSDirectory(path)) {
            try (IndexOutput output = directory.createOutput("gone", newIOContext(random()))) {
                output.writeInt(1);
            }
            Files.delete(path.resolve("gone"));
            expectThrowsAnyOf(List.of(FileNotFoundException.class, NoSuchFileException.class),
                    () -> directory.sync(List.of("gone")));
            assertEquals(0, directory.listAll().length);
        }
    }

    /** It tries until a file that is open cannot be deleted, as on the framework's own paths. Here it always can. */
    @Override
    public void testPendingDeletions() {
        assumeTrue("files that are open can be deleted", false);
    }
}
