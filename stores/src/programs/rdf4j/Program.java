import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.rdf4j.model.Statement;
import org.eclipse.rdf4j.model.ValueFactory;
import org.eclipse.rdf4j.repository.RepositoryConnection;
import org.eclipse.rdf4j.repository.RepositoryResult;
import org.eclipse.rdf4j.repository.sail.SailRepository;
import org.eclipse.rdf4j.sail.memory.MemoryStore;

/**
 * RDF4J's memory store that writes its file at each commit. It does not promise that the last commit survives; but what the file had before
 * must not be lost by the next one.
 */
public final class Program implements StoreProgram {
    private static final int STATEMENTS = 3;

    private static SailRepository open(Path directory) {
        MemoryStore store = new MemoryStore(directory.toFile());
        store.setPersist(true);
        store.setSyncDelay(0);
        SailRepository repository = new SailRepository(store);
        return repository;
    }

    @Override
    public void prepare(Path directory) {
        open(directory).shutDown();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) {
        SailRepository repository = open(directory);
        try (RepositoryConnection connection = repository.getConnection()) {
            ValueFactory values = connection.getValueFactory();
            for (int i = 0; i < STATEMENTS; i++) {
                connection.begin();
                connection.add(values.createIRI("urn:s" + i), values.createIRI("urn:p"), values.createLiteral("o"));
                connection.commit();
                acknowledged.add("urn:s" + i);
            }
        } finally {
            repository.shutDown();
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        SailRepository repository = open(directory);
        List<String> found = new ArrayList<>();
        try (RepositoryConnection connection = repository.getConnection()) {
            RepositoryResult<Statement> statements = connection.getStatements(null, null, null);
            while (statements.hasNext()) {
                found.add(statements.next().getSubject().toString());
            }
        } finally {
            repository.shutDown();
        }
        List<String> before = acknowledged.subList(0, acknowledged.size() - 1);
        if (!found.containsAll(before)) {
            throw new AssertionError("committed before the last commit " + before + ", found " + found);
        }
    }
}
