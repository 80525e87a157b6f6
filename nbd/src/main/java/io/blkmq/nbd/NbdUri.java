package io.blkmq.nbd;

import io.blkmq.nbd.wire.Nbd;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * An export's address, as NBD's own description of URIs has it: {@code nbd://HOST[:PORT]/EXPORT}, {@code nbd+unix:///EXPORT?socket=PATH},
 * and the same with {@code nbds} where TLS is needed. Immutable.
 *
 * @param address where the server listens
 * @param export the export's name, perhaps empty
 * @param encrypted whether TLS is needed
 * @since 0.1.0
 */
public record NbdUri(SocketAddress address, String export, boolean encrypted) {
    /**
     * Reads one.
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
            throw new IllegalArgumentException(text + ": " + e.getMessage(), e);
        }
        String scheme = uri.getScheme() == null ? "" : uri.getScheme();
        boolean encrypted = scheme.startsWith("nbds");
        String path = uri.getPath() == null ? "" : uri.getPath();
        String export = path.startsWith("/") ? path.substring(1) : path;
        return switch (scheme) {
            case "nbd", "nbds" -> {
                if (uri.getHost() == null || uri.getHost().isEmpty()) {
                    throw new IllegalArgumentException(text + ": a host is needed, as in nbd://localhost/export");
                }
                requireNoQuery(text, uri);
                String host = uri.getHost().replaceAll("^\\[|]$", "");
                yield new NbdUri(new InetSocketAddress(host, uri.getPort() < 0 ? Nbd.PORT : uri.getPort()), export,
                        encrypted);
            }
            case "nbd+unix", "nbds+unix" ->
                new NbdUri(UnixDomainSocketAddress.of(socket(text, uri)), export, encrypted);
            default -> throw new IllegalArgumentException(text + ": begins with nbd:, nbds:, nbd+unix: or nbds+unix:");
        };
    }

    private static void requireNoQuery(String text, URI uri) {
        if (uri.getRawQuery() != null) {
            throw new IllegalArgumentException(text + ": '" + uri.getRawQuery() + "' is not known here");
        }
    }

    private static String socket(String text, URI uri) {
        String query = uri.getRawQuery();
        if (query == null || !query.startsWith("socket=") || query.indexOf('&') >= 0 || query.length() == 7) {
            throw new IllegalArgumentException(text + ": ?socket=PATH is needed, and nothing else is known");
        }
        return URLDecoder.decode(query.substring("socket=".length()).replace("+", "%2B"), StandardCharsets.UTF_8);
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
        if (address instanceof UnixDomainSocketAddress unix) {
            return scheme + "+unix:///" + path + "?socket=" + escape(Objects.toString(unix.getPath()));
        }
        InetSocketAddress inet = (InetSocketAddress) address;
        String host = inet.getHostString();
        if (inet.getAddress() instanceof Inet6Address || host.indexOf(':') >= 0) {
            host = "[" + host + "]";
        }
        return scheme + "://" + host + (inet.getPort() == Nbd.PORT ? "" : ":" + inet.getPort()) + "/" + path;
    }

    private static String escape(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("%2F", "/");
    }
}
