package io.blkmq.nbd;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Keys and certificates for TLS 1.3 and 1.2. Where a server has TLS nothing goes without. Immutable.
 *
 * <p>The JDK has no TLS with keys that both sides know already (PSK), so neither has this.
 *
 * @since 0.1.0
 */
public final class NbdTls {
    private static final Pattern PEM = Pattern
            .compile("-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\\s]+)-----END \\1-----");
    private static final char[] NO_PASSWORD = new char[0];

    private final SSLContext context;
    private final boolean verifiesClients;

    private NbdTls(SSLContext context, boolean verifiesClients) {
        this.context = context;
        this.verifiesClients = verifiesClients;
    }

    /**
     * TLS as the application has set it up.
     *
     * @param context with the key of this side, and what it trusts
     * @param verifyClients whether clients must show a certificate that the context trusts; of no account for a client
     * @return the same with a name
     */
    public static NbdTls of(SSLContext context, boolean verifyClients) {
        return new NbdTls(context, verifyClients);
    }

    /**
     * The server's side from a directory with the file names that other servers and clients of NBD use: {@code server-cert.pem},
     * {@code server-key.pem} (PKCS #8, not encrypted), and {@code ca-cert.pem}, which has signed what it trusts.
     *
     * @param directory where they are
     * @param verifyClients whether clients must show a certificate signed by {@code ca-cert.pem}
     * @return keys and certificates
     * @throws IOException if one cannot be read, naming it
     */
    public static NbdTls ofServerDirectory(Path directory, boolean verifyClients) throws IOException {
        return new NbdTls(context(directory, "server", verifyClients), verifyClients);
    }

    /**
     * The client's side from such a directory: {@code ca-cert.pem}, and {@code client-cert.pem} and {@code client-key.pem} if they are
     * there.
     *
     * @param directory where they are
     * @return keys and certificates
     * @throws IOException if one cannot be read, naming it
     */
    public static NbdTls ofClientDirectory(Path directory) throws IOException {
        return new NbdTls(context(directory, "client", true), false);
    }

    /**
     * What sockets are made with.
     *
     * @return the context
     */
    public SSLContext context() {
        return context;
    }

    /**
     * Whether clients must show a certificate.
     *
     * @return false unless asked for
     */
    public boolean verifiesClients() {
        return verifiesClients;
    }

    private static SSLContext context(Path directory, String side, boolean needsTrust) throws IOException {
        try {
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(ownKey(directory, side), NO_PASSWORD);
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted(directory.resolve("ca-cert.pem"), needsTrust));
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), UnnamedIssuers.of(trust.getTrustManagers()), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException(directory + ": " + e.getMessage(), e);
        }
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, NO_PASSWORD);
        return store;
    }

    private static KeyStore ownKey(Path directory, String side) throws GeneralSecurityException, IOException {
        KeyStore store = emptyStore();
        Path certificate = directory.resolve(side + "-cert.pem");
        Path key = directory.resolve(side + "-key.pem");
        if (side.equals("server") || Files.exists(certificate)) {
            store.setKeyEntry(side, key(key), NO_PASSWORD, certificates(certificate).toArray(new Certificate[0]));
        }
        return store;
    }

    private static KeyStore trusted(Path file, boolean needed) throws GeneralSecurityException, IOException {
        KeyStore store = emptyStore();
        if (needed || Files.exists(file)) {
            int number = 0;
            for (Certificate certificate : certificates(file)) {
                store.setCertificateEntry("ca" + number++, certificate);
            }
        }
        return store;
    }

    private static Collection<? extends Certificate> certificates(Path file) throws IOException {
        InputStream in = new ByteArrayInputStream(read(file));
        try {
            Collection<? extends Certificate> all = CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (all.isEmpty()) {
                throw new IOException(file + " has no certificate");
            }
            return all;
        } catch (GeneralSecurityException e) {
            throw new IOException(file + " has no certificate that can be read: " + e.getMessage(), e);
        }
    }

    /** Reads a file, or names it: it is not what the caller has named. */
    private static byte[] read(Path file) throws IOException {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new IOException(file + ": there is no such file", e);
        } catch (AccessDeniedException e) {
            throw new IOException(file + ": access is denied", e);
        } catch (FileSystemException e) {
            throw new IOException(file + ": " + e.getReason(), e);
        } catch (IOException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    private static PrivateKey key(Path file) throws IOException {
        Matcher found = PEM.matcher(new String(read(file), StandardCharsets.ISO_8859_1));
        while (found.find()) {
            if (found.group(1).equals("PRIVATE KEY")) {
                byte[] encoded = Base64.getMimeDecoder().decode(found.group(2));
                return key(file, new PKCS8EncodedKeySpec(encoded));
            }
        }
        throw new IOException(
                file + " has no key that can be read: it has to be PKCS #8 and not encrypted, beginning with"
                        + " '-----BEGIN PRIVATE KEY-----'; 'openssl pkcs8 -topk8 -nocrypt' makes one");
    }

    private static PrivateKey key(Path file, PKCS8EncodedKeySpec encoded) throws IOException {
        GeneralSecurityException last = null;
        for (String algorithm : new String[]{"RSA", "EC", "EdDSA"}) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(encoded);
            } catch (InvalidKeySpecException e) {
                last = e;
            } catch (GeneralSecurityException e) {
                throw new IOException(file + ": " + e.getMessage(), e);
            }
        }
        throw new IOException(file + " has a key that is neither RSA, EC nor EdDSA", last);
    }
}
