package io.blkmq.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Makes keys and certificates with the names that servers and clients of NBD look for. */
public final class Certificates {
    private Certificates() {}

    /** An authority with its certificate, and a key and certificate for each of these. */
    public static Path make(Path directory, String... owners) throws IOException, InterruptedException {
        Command.require("openssl");
        Files.createDirectories(directory);
        String ca = directory.resolve("ca-cert.pem").toString();
        String caKey = directory.resolve("ca-key.pem").toString();
        request(false, "-x509", "-nodes", "-days", "30", "-subj", "/CN=test-ca", "-keyout", caKey, "-out", ca);
        for (String owner : owners) {
            String request = directory.resolve(owner + ".csr").toString();
            Path names = Files.writeString(directory.resolve(owner + ".ext"),
                    "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
            request(owner.equals("server"), "-nodes", "-subj", "/CN=localhost", "-keyout",
                    directory.resolve(owner + "-key.pem").toString(), "-out", request);
            Command.run("", "openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", caKey, "-CAcreateserial",
                    "-days", "30", "-extfile", names.toString(), "-out",
                    directory.resolve(owner + "-cert.pem").toString());
        }
        return directory;
    }

    /** Makes a key and asks for its certificate: RSA takes much longer than a curve, and one of them is enough. */
    private static void request(boolean rsa, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("openssl", "req", "-newkey"));
        command.addAll(rsa ? List.of("rsa:2048") : List.of("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"));
        command.addAll(List.of(arguments));
        Command.run("", command.toArray(String[]::new));
    }
}
