import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ConcurrentMap;
import org.mapdb.DB;
import org.mapdb.DBMaker;
import org.mapdb.Serializer;

/** MapDB 3 with its write-ahead log: a key that was committed is kept. */
public final class Program implements StoreProgram {
    private static final int KEYS = 4;

    private static DB open(Path directory) {
        return DBMaker.fileDB(directory.resolve("db").toFile()).transactionEnable().make();
    }

    private static ConcurrentMap<String, String> map(DB db) {
        return db.hashMap("m", Serializer.STRING, Serializer.STRING).createOrOpen();
    }

    @Override
    public void prepare(Path directory) {
        try (DB db = open(directory)) {
            map(db);
            db.commit();
        }
    }

    @Override
    public void work(Path directory, List<String> acknowledged) {
        try (DB db = open(directory)) {
            for (int i = 0; i < KEYS; i++) {
                map(db).put("k" + i, "v" + i);
                db.commit();
                acknowledged.add("k" + i);
            }
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        try (DB db = open(directory)) {
            ConcurrentMap<String, String> map = map(db);
            for (String key : acknowledged) {
                if (!("v" + key.substring(1)).equals(map.get(key))) {
                    throw new AssertionError(key + " is lost, of " + acknowledged + "; there are " + map.keySet());
                }
            }
        }
    }
}
