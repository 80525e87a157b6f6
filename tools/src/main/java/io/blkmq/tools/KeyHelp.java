package io.blkmq.tools;

import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.RefusedKeys;
import io.blkmq.tools.job.UnusedKeys;
import io.blkmq.tools.job.UsageException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Tells about the keys of jobs. */
final class KeyHelp {
    private static final String ALL = "all";

    private KeyHelp() {}

    /** Prints all keys, or one. Returns the exit status. */
    static int print(String name, PrintWriter out) throws UsageException {
        if (!name.equals(ALL)) {
            return one(name, out);
        }
        for (Key key : Key.values()) {
            out.printf("%-28s %s%n", String.join(", ", key.names()), about(key));
        }
        out.printf("%nRead and without effect here:%n");
        new TreeMap<>(UnusedKeys.all()).forEach((key, why) -> out.printf("%-28s %s%n", key, why));
        out.printf("%nRefused:%n");
        new TreeMap<>(RefusedKeys.all()).forEach((key, why) -> out.printf("%-28s %s%n", key, why));
        return Blkmq.OK;
    }

    private static int one(String name, PrintWriter out) throws UsageException {
        Key key = Key.find(name);
        if (key != null) {
            out.printf("%s: %s%n", String.join(", ", key.names()), about(key));
            return Blkmq.OK;
        }
        for (Map<String, String> others : List.of(UnusedKeys.all(), RefusedKeys.all())) {
            String why = others.get(name);
            if (why != null) {
                out.printf("%s: %s: %s%n", name,
                        others.equals(UnusedKeys.all()) ? "read and without effect here" : "refused", why);
                return Blkmq.OK;
            }
        }
        throw new UsageException("--cmdhelp " + name + ": there is no such key");
    }

    private static String about(Key key) {
        String standard = key.defaultText();
        return key.meaning().replace("`", "") + " [" + key.valueText() + (standard == null ? "" : "; " + standard)
                + "]";
    }
}
