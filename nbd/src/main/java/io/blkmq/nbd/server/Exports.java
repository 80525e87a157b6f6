package io.blkmq.nbd.server;

import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The exports by name. Any thread. */
public final class Exports {
    private final ConcurrentHashMap<String, Export> byName = new ConcurrentHashMap<>();

    Exports() {}

    /**
     * Adds one.
     *
     * @param export with a name of its own
     * @return whether the name was free
     */
    public boolean add(Export export) {
        return byName.putIfAbsent(export.name(), export) == null;
    }

    /**
     * Takes one away from those who come.
     *
     * @param name the name
     * @return it, or null if there is none
     */
    public @Nullable Export remove(String name) {
        return byName.remove(name);
    }

    /**
     * All of them.
     *
     * @return in the order of their names
     */
    public List<Export> all() {
        return byName.values().stream().sorted(Comparator.comparing(Export::name)).toList();
    }

    /**
     * The one with a name; the empty name stands for the only one, where there is only one.
     *
     * @param name as the client has it
     * @return it, or null if there is none
     */
    @Nullable
    Export find(String name) {
        Export export = byName.get(name);
        if (export == null && name.isEmpty()) {
            List<Export> all = all();
            return all.size() == 1 ? all.getFirst() : null;
        }
        return export;
    }
}
