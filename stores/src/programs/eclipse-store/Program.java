import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.store.storage.embedded.types.EmbeddedStorage;
import org.eclipse.store.storage.embedded.types.EmbeddedStorageManager;

/** EclipseStore: an object that was stored is kept. */
public final class Program implements StoreProgram {
    private static final int OBJECTS = 5;

    @Override
    public void work(Path directory, List<String> acknowledged) {
        List<String> root = new ArrayList<>();
        EmbeddedStorageManager storage = EmbeddedStorage.start(root, directory);
        try {
            for (int i = 0; i < OBJECTS; i++) {
                root.add("object " + i);
                storage.store(root);
                acknowledged.add("object " + i);
            }
        } finally {
            storage.shutdown();
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        List<String> root = new ArrayList<>();
        EmbeddedStorageManager storage = EmbeddedStorage.start(root, directory);
        try {
            Object there = storage.root();
            if (!(there instanceof List<?> list) || !list.containsAll(acknowledged)) {
                throw new AssertionError("stored " + acknowledged + ", found " + there);
            }
        } finally {
            storage.shutdown();
        }
    }
}
