import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.List;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

/** H2's MVStore: a key that was committed and synced is kept. */
public class Program implements StoreProgram {
    private static final int KEYS = 6;

    @Override
    public void prepare(Path directory) {
        open(directory).close();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) {
        MVStore store = open(directory);
        try {
            MVMap<String, String> map = store.openMap("m");
            for (int i = 0; i < KEYS; i++) {
                String key = "k" + i;
                map.put(key, value(i));
                store.commit();
                store.sync();
                acknowledged.add(key);
            }
        } finally {
            store.close();
        }
    }

    /** A value, which ends with its number. */
    String value(int number) {
        return "v" + number;
    }

    private static MVStore open(Path directory) {
        return new MVStore.Builder().fileName(directory.resolve("s.mv.db").toString()).autoCommitDisabled().open();
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        MVStore store = open(directory);
        try {
            MVMap<String, String> map = store.openMap("m");
            for (String key : acknowledged) {
                String value = map.get(key);
                if (value == null || !value.endsWith(key.substring(1))) {
                    throw new AssertionError(key + " is lost, of " + acknowledged + "; there are " + map.keyList());
                }
            }
        } finally {
            store.close();
        }
    }
}
