package io.blkmq.nbd;

import io.blkmq.nbd.wire.Nbd;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An export's address, as NBD's own description of URIs has it: {@code nbd://HOST[:PORT]/EXPORT}, {@code nbd+unix:///EXPORT?socket=PATH},
 * and the same with {@code nbds} where TLS is needed; {@code tls-certificates=DIR} in the query then says where the client's keys and
 * certificates are. Immutable.
 *
 * @param address where the server listens. An {@linkplain InetSocketAddress#createUnresolved unresolved} one, as {@link #parse} makes of a
 *        host's name, is looked up at each connection; a resolved one stays the same for ever
 * @param export the export's name, perhaps empty
 * @param encrypted whether TLS is needed
 * @param certificates where {@link NbdTls#ofClientDirectory} finds keys and certificates; null if the URI does not say
 * @since 0.1.0
 */
public record NbdUri(SocketAddress address, String export, boolean encrypted, @Nullable Path certificates) {
    private static final List<String> SCHEMES = List.of("nbd", "nbds", "nbd+unix", "nbds+unix");
    private static final String SOCKET = "socket";
    private static final String CERTIFICATES = "tls-certificates";

    /**
     * Makes one that does not say where certificates are.
     *
     * @param address where the server listens
     * @param export the export's name, perhaps empty
     * @param encrypted whether TLS is needed
     */
    public NbdUri(SocketAddress address, String export, boolean encrypted) {
        this(address, export, encrypted, null);
    }

    /**
     * Whether a text is meant as such a URI, and not as the path of a file.
     *
     * @param text anything
     * @return true if it begins with a scheme of NBD and a colon; {@link #parse} may refuse it nevertheless
     */
    public static boolean isMeantBy(String text) {
        return SCHEMES.contains(text.substring(0, Math.max(0, text.indexOf(':'))));
    }

    /**
     * Reads one. Looks no host up.
     *
     * @param text the URI
     * @return its parts
     * @throws IllegalArgumentException saying what is wrong with it
     */
    public static NbdUri parse(String text) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(text + ": " + e.getReason(), e);
        }
        String scheme = uri.getScheme();
        if (scheme == null || !SCHEMES.contains(scheme)) {
            throw new IllegalArgumentException(text + ": begins with nbd:, nbds:, nbd+unix: or nbds+unix:");
        }
        boolean encrypted = scheme.startsWith("nbds");
        boolean unix = scheme.endsWith("+unix");
        Map<String, String> query = query(text, uri, encrypted, unix);
        String path = Objects.requireNonNullElse(uri.getPath(), "");
        String export = path.startsWith("/") ? path.substring(1) : path;
        String certificates = query.get(CERTIFICATES);
        return new NbdUri(unix ? socket(text, query) : host(text, uri), export, encrypted,
                certificates == null ? null : Path.of(certificates));
    }

    private static SocketAddress host(String text, URI uri) {
        if (uri.getHost() == null || uri.getHost().isEmpty()) {
            throw new IllegalArgumentException(text + ": a host is needed, as in nbd://localhost/export");
        }
        if (uri.getPort() == 0 || uri.getPort() > 65535) {
            throw new IllegalArgumentException(text + ": port " + uri.getPort() + " is not within 1 and 65535");
        }
        String host = uri.getHost().replaceAll("^\\[|]$", "");
        int port = uri.getPort() < 0 ? Nbd.PORT : uri.getPort();
        try {
            return new InetSocketAddress(InetAddress.ofLiteral(host), port);
        } catch (IllegalArgumentException _) {
            // A name: whose address it is may be another one by the time of a connection.
            return InetSocketAddress.createUnresolved(host, port);
        }
    }

    private static SocketAddress socket(String text, Map<String, String> query) {
        String socket = query.get(SOCKET);
        if (socket == null) {
            throw new IllegalArgumentException(text + ": ?socket=PATH is needed");
        }
        return UnixDomainSocketAddress.of(socket);
    }

    private static Map<String, String> query(String text, URI uri, boolean encrypted, boolean unix) {
        Set<String> known = Set.of(unix ? SOCKET : "", encrypted ? CERTIFICATES : " ");
        Map<String, String> values = new HashMap<>();
        if (uri.getRawQuery() == null) {
            return values;
        }
        for (String part : uri.getRawQuery().split("&", -1)) {
            int equals = part.indexOf('=');
            String key = part.substring(0, Math.max(0, equals));
            if (equals <= 0 || !known.contains(key)) {
                throw new IllegalArgumentException(text + ": '" + part + "' is not known here");
            }
            String value = URLDecoder.decode(part.substring(equals + 1).replace("+", "%2B"), StandardCharsets.UTF_8);
            if (value.isEmpty() || values.put(key, value) != null) {
                throw new IllegalArgumentException(text + ": " + key + " has to be given once, with a path");
            }
        }
        return values;
    }

    /**
     * The URI.
     *
     * @return as {@link #parse} reads it
     */
    @Override
    public String toString() {
        String scheme = encrypted ? "nbds" : "nbd";
        String path = escape(export);
        String with = certificates == null ? "" : CERTIFICATES + "=" + escape(certificates.toString());
        if (address instanceof UnixDomainSocketAddress unix) {
            return scheme + "+unix:///" + path + "?" + SOCKET + "=" + escape(Objects.toString(unix.getPath()))
                    + (with.isEmpty() ? "" : "&" + with);
        }
        InetSocketAddress inet = (InetSocketAddress) address;
        String host = inet.getHostString();
        if (inet.getAddress() instanceof Inet6Address || host.indexOf(':') >= 0) {
            host = "[" + host + "]";
        }
        return scheme + "://" + host + (inet.getPort() == Nbd.PORT ? "" : ":" + inet.getPort()) + "/" + path
                + (with.isEmpty() ? "" : "?" + with);
    }

    private static String escape(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("%2F", "/");
    }
}
