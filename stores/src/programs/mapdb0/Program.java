import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.mapdb.DB;
import org.mapdb.DBMaker;

/** MapDB 0.9 and 1.0 with their write-ahead log: a key that was committed is kept. */
public final class Program implements StoreProgram {
    private static final int KEYS = 4;

    private static DB open(Path directory) {
        return DBMaker.newFileDB(directory.resolve("db").toFile()).make();
    }

    @Override
    public void prepare(Path directory) {
        DB db = open(directory);
        db.getHashMap("m");
        db.commit();
        db.close();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) {
        DB db = open(directory);
        try {
            Map<String, String> map = db.getHashMap("m");
            for (int i = 0; i < KEYS; i++) {
                map.put("k" + i, "v" + i);
                db.commit();
                acknowledged.add("k" + i);
            }
        } finally {
            db.close();
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        DB db = open(directory);
        try {
            Map<String, String> map = db.getHashMap("m");
            for (String key : acknowledged) {
                if (!("v" + key.substring(1)).equals(map.get(key))) {
                    throw new AssertionError(key + " is lost, of " + acknowledged + "; there are " + map.keySet());
                }
            }
        } finally {
            db.close();
        }
    }
}
