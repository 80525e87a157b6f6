package io.blkmq.rbd;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The name of an image, and of the way to it: {@code rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][:KEY=VALUE]...}. It is written where a file's path is, for
 * {@link io.blkmq.aio.AioEngine#open}, a loop device or the command {@code blkmq}.
 *
 * <table>
 * <caption>Keys</caption>
 * <tr><td>{@code conf}</td><td>Ceph's file of options; without it those that Ceph looks for: {@code $CEPH_CONF}, {@code /etc/ceph/ceph.conf},
 * {@code ~/.ceph/config}, {@code ceph.conf}</td></tr>
 * <tr><td>{@code id}</td><td>the user, without {@code client.}; {@code admin} by default</td></tr>
 * <tr><td>{@code wait}</td><td>how many seconds opening, and the end of a device, wait for a cluster that does not answer: 1 to 3600, 30 by
 * default</td></tr>
 * <tr><td>any other</td><td>an option of Ceph's, as in its file: {@code rbd_cache=true}; without that an image has no cache</td></tr>
 * </table>
 *
 * <p>A backslash takes its meaning from a {@code :}, {@code @}, {@code /} or backslash behind it. Immutable.
 *
 * @since 0.1
 */
public final class RbdAddress {
    /** What an address begins with. */
    public static final String PREFIX = "rbd:";

    /** How long opening and closing wait for a cluster, in seconds, where the address does not say. */
    public static final int WAIT_SECONDS = 30;

    private static final int WAIT_SECONDS_MAX = 3600;
    private static final String FORM = "rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][:conf=FILE][:id=USER][:wait=SECONDS][:OPTION=VALUE]";

    private final String text;
    private final String pool;
    private final String namespace;
    private final String image;
    private final @Nullable String snapshot;
    private final @Nullable String conf;
    private final String user;
    private final int waitSeconds;
    private final Map<String, String> options;

    private RbdAddress(String text, List<String> names, @Nullable String snapshot, Map<String, String> keys) {
        this.text = text;
        pool = names.getFirst();
        namespace = names.size() == 3 ? names.get(1) : "";
        image = names.getLast();
        this.snapshot = snapshot;
        Map<String, String> rest = new LinkedHashMap<>(keys);
        conf = rest.remove("conf");
        user = Objects.requireNonNullElse(rest.remove("id"), "admin");
        String wait = rest.remove("wait");
        waitSeconds = wait == null ? WAIT_SECONDS : seconds(wait);
        options = Map.copyOf(rest);
    }

    /**
     * Whether a text is meant as an address.
     *
     * @param text anything that may be a path
     * @return whether it begins with {@value #PREFIX}
     */
    public static boolean isMeantBy(String text) {
        return text.startsWith(PREFIX);
    }

    /**
     * Reads an address.
     *
     * @param text the address
     * @return what it says
     * @throws IllegalArgumentException naming what is wrong, and the form
     */
    public static RbdAddress parse(String text) {
        try {
            return parsed(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(shown(text) + ": " + e.getMessage() + "; the form is " + FORM, e);
        }
    }

    private static RbdAddress parsed(String text) {
        if (!isMeantBy(text)) {
            throw new IllegalArgumentException("does not begin with " + PREFIX);
        }
        List<String> parts = split(text.substring(PREFIX.length()), ':');
        List<String> spec = split(parts.getFirst(), '@');
        if (spec.size() > 2) {
            throw new IllegalArgumentException("has more than one snapshot");
        }
        List<String> names = split(spec.getFirst(), '/').stream().map(RbdAddress::plain).toList();
        if (names.size() < 2 || names.size() > 3) {
            throw new IllegalArgumentException("pool and image are needed");
        }
        if (names.contains("") || (spec.size() == 2 && spec.get(1).isEmpty())) {
            throw new IllegalArgumentException("a name is empty");
        }
        Map<String, String> keys = new LinkedHashMap<>();
        for (String part : parts.subList(1, parts.size())) {
            int equals = part.indexOf('=');
            if (equals < 1 || equals == part.length() - 1) {
                throw new IllegalArgumentException("\"" + part + "\" is no KEY=VALUE");
            }
            if (keys.put(plain(part.substring(0, equals)), plain(part.substring(equals + 1))) != null) {
                throw new IllegalArgumentException("key " + part.substring(0, equals) + " is given twice");
            }
        }
        return new RbdAddress(text, names, spec.size() == 2 ? plain(spec.get(1)) : null, keys);
    }

    private static int seconds(String value) {
        if (value.matches("\\d{1,4}")) {
            int seconds = Integer.parseInt(value);
            if (seconds >= 1 && seconds <= WAIT_SECONDS_MAX) {
                return seconds;
            }
        }
        throw new IllegalArgumentException("wait " + value + " is not in 1 to " + WAIT_SECONDS_MAX + " seconds");
    }

    /** At each separator that no backslash is before; backslashes stay. */
    private static List<String> split(String text, char separator) {
        List<String> parts = new ArrayList<>();
        int from = 0;
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) == '\\') {
                at++;
            } else if (text.charAt(at) == separator) {
                parts.add(text.substring(from, at));
                from = at + 1;
            }
        }
        parts.add(text.substring(from));
        return parts;
    }

    /** Without the backslashes that take a meaning away. */
    private static String plain(String text) {
        return text.replaceAll("\\\\([:@/\\\\])", "$1");
    }

    /** A name or value as it is written in an address. */
    private static String written(String text) {
        return text.replaceAll("[:@/\\\\]", "\\\\$0");
    }

    /**
     * The address of an image in a pool, as text.
     *
     * @param pool the pool, as it is called
     * @param image the image, as it is called
     * @param conf Ceph's file of options; null for those that Ceph looks for
     * @param user the user, without {@code client.}; null for {@code admin}
     * @return the address
     */
    public static RbdAddress of(String pool, String image, @Nullable Path conf, @Nullable String user) {
        return parse(PREFIX + written(pool) + "/" + written(image)
                + (conf == null ? "" : ":conf=" + conf.toString().replaceAll("[:\\\\]", "\\\\$0"))
                + (user == null ? "" : ":id=" + written(user)));
    }

    /** {@return the pool} */
    public String pool() {
        return pool;
    }

    /** {@return the namespace of the pool; empty for that which has no name} */
    public String namespace() {
        return namespace;
    }

    /** {@return the image} */
    public String image() {
        return image;
    }

    /** {@return the snapshot; null for the image as it is now} */
    public @Nullable String snapshot() {
        return snapshot;
    }

    /** {@return Ceph's file of options; null for those that Ceph looks for} */
    public @Nullable String conf() {
        return conf;
    }

    /** {@return the user, without {@code client.}} */
    public String user() {
        return user;
    }

    /** {@return how many seconds opening and closing wait for a cluster that does not answer} */
    public int waitSeconds() {
        return waitSeconds;
    }

    /** {@return further options of Ceph's, an unmodifiable map} */
    public Map<String, String> options() {
        return options;
    }

    /** {@return the address where a path is asked for} */
    public Path path() {
        return Path.of(text);
    }

    /** Whether two lead to one image, or snapshots of it, as far as the addresses say. */
    boolean isSameImage(RbdAddress other) {
        return pool.equals(other.pool) && namespace.equals(other.namespace) && image.equals(other.image)
                && Objects.equals(conf, other.conf)
                && Objects.equals(options.get("mon_host"), other.options.get("mon_host"));
    }

    /** The image, and no more, for messages. */
    String imageName() {
        return pool + (namespace.isEmpty() ? "" : "/" + namespace) + "/" + image;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof RbdAddress address && text.equals(address.text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    /** {@return the address as it was written, without the value of a {@code key}, which is secret} */
    @Override
    public String toString() {
        return shown(text);
    }

    /** A text that may be an address, for messages. */
    static String shown(String text) {
        return text.replaceAll("(?<=:key=)(?:\\\\.|[^:\\\\])+", "...");
    }
}
