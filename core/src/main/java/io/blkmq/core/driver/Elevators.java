package io.blkmq.core.driver;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * The kinds of elevator there are, by name: {@code none}, which is no elevator, {@code mq-deadline}, {@code kyber}, and what others
 * provide by {@link ServiceLoader} or {@link #register}. Thread-safe.
 *
 * @since 0.1.0
 */
public final class Elevators {
    /** The name of what leaves requests in the order in which they come. */
    public static final String NONE = "none";

    private static final ConcurrentSkipListMap<String, ElevatorType> TYPES = new ConcurrentSkipListMap<>();

    static {
        for (ElevatorType type : ServiceLoader.load(ElevatorType.class, ElevatorType.class.getClassLoader())) {
            register(type);
        }
    }

    private Elevators() {}

    /**
     * Makes a kind known.
     *
     * @param type its name is not taken yet
     * @throws IllegalArgumentException if the name is taken or empty
     */
    public static void register(ElevatorType type) {
        String name = type.name();
        if (name.isBlank()) {
            throw new IllegalArgumentException("an elevator without a name: " + type.getClass().getName());
        }
        ElevatorType before = name.equals(NONE) ? type : TYPES.putIfAbsent(name, type);
        if (before != null) {
            throw new IllegalArgumentException("elevator " + name + " is known already: " + names());
        }
    }

    /**
     * Finds a kind.
     *
     * @param name one of {@link #names()}
     * @return null for {@link #NONE}
     * @throws IllegalArgumentException if there is no such kind, with the names of those there are
     */
    public static @Nullable ElevatorType named(String name) {
        ElevatorType type = TYPES.get(name);
        if (type == null && !name.equals(NONE)) {
            throw new IllegalArgumentException("unknown elevator '" + name + "': there are " + names());
        }
        return type;
    }

    /**
     * What there is.
     *
     * @return names, {@link #NONE} first
     */
    public static List<String> names() {
        List<String> names = new ArrayList<>();
        names.add(NONE);
        names.addAll(TYPES.keySet());
        return Collections.unmodifiableList(names);
    }
}
