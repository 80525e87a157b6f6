import io.blkmq.stores.StoreProgram;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jetbrains.exodus.bindings.StringBinding;
import jetbrains.exodus.env.Environment;
import jetbrains.exodus.env.EnvironmentConfig;
import jetbrains.exodus.env.Environments;
import jetbrains.exodus.env.StoreConfig;

/** Xodus with durable writes: a transaction that was committed is kept. */
public final class Program implements StoreProgram {
    private static final int KEYS = 4;

    private static Environment open(Path directory) {
        return Environments.newInstance(directory.toString(),
                new EnvironmentConfig().setLogDurableWrite(true).setGcEnabled(false).setManagementEnabled(false));
    }

    @Override
    public void prepare(Path directory) {
        open(directory).close();
    }

    @Override
    public void work(Path directory, List<String> acknowledged) {
        Environment environment = open(directory);
        try {
            for (int i = 0; i < KEYS; i++) {
                String key = "k" + i;
                environment.executeInTransaction(transaction -> environment
                        .openStore("s", StoreConfig.WITHOUT_DUPLICATES, transaction)
                        .put(transaction, StringBinding.stringToEntry(key), StringBinding.stringToEntry("v")));
                acknowledged.add(key);
            }
        } finally {
            environment.close();
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) {
        Environment environment = open(directory);
        try {
            List<String> missing = new ArrayList<>(acknowledged);
            environment.executeInTransaction(transaction -> missing.removeIf(
                    key -> environment.openStore("s", StoreConfig.WITHOUT_DUPLICATES, transaction).get(transaction,
                            StringBinding.stringToEntry(key)) != null));
            if (!missing.isEmpty()) {
                throw new AssertionError(missing + " are lost, of " + acknowledged);
            }
        } finally {
            environment.close();
        }
    }
}
