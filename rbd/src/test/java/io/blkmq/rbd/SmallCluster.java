package io.blkmq.rbd;

import io.blkmq.rbd.ceph.Ceph;
import io.blkmq.testing.Command;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A cluster of one monitor and one OSD, which all tests of this JVM share: begun with the first, ended with the JVM. It reads from a pipe of this process, so it
 * ends also if that is killed. Tests that kill its daemons start one of their own.
 */
final class SmallCluster implements AutoCloseable {
    private static final String SCRIPT = Path.of("..", "bin", "ceph-small").toAbsolutePath().normalize().toString();
    private static final int SECONDS = 60;

    private static @Nullable SmallCluster shared;
    private static @Nullable String failure;

    private final Path directory;
    private final Process process;

    private SmallCluster(Path directory, Process process) {
        this.directory = directory;
        this.process = process;
    }

    /** The one of this JVM. Ends the test as skipped where Ceph is not installed, and as failed where it is and does not start. */
    static synchronized SmallCluster shared() throws IOException {
        requireInstalled();
        if (failure != null) {
            throw new IOException(failure);
        }
        SmallCluster running = shared;
        if (running == null) {
            try {
                running = start(Path.of("target", "ceph"));
            } catch (IOException e) {
                failure = e.getMessage();
                throw e;
            }
            SmallCluster started = running;
            Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(started::close));
            shared = started;
        }
        return running;
    }

    /** Ends the test as skipped, saying why, where Ceph is not installed. */
    static void requireInstalled() {
        Command.require("ceph", "rbd");
        for (String daemon : List.of("ceph-mon", "ceph-osd")) {
            if (!Files.isExecutable(Path.of("/usr/bin", daemon))) {
                Command.require(daemon);
            }
        }
        if (Ceph.refusal() != null) {
            Command.lacking("librbd.so.1");
        }
    }

    /** Starts another one, for the caller to close. */
    static SmallCluster start(Path where) throws IOException {
        Path directory = Files.createDirectories(where).toAbsolutePath().normalize();
        if (Files.exists(directory.resolve("ceph.conf"))) {
            // Of a run that was killed.
            script("delete", directory);
            Files.createDirectories(directory);
        }
        Process process = new ProcessBuilder(SCRIPT, "run", directory.toString(), "--port",
                String.valueOf(freePort()), "--seconds", String.valueOf(SECONDS)).redirectErrorStream(true)
                .start();
        // Blocks until it says where its configuration is, or ends: the script waits no longer than its seconds.
        BufferedReader out = new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        List<String> said = new ArrayList<>();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            said.add(line);
            if (line.endsWith("ceph.conf")) {
                return new SmallCluster(directory, process);
            }
        }
        throw new IOException("the small cluster does not start: " + String.join("\n", said));
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static void script(String command, Path directory) throws IOException {
        try {
            String _ = Command.run("", SCRIPT, command, directory.toString());
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    Path conf() {
        return directory.resolve("ceph.conf");
    }

    /** The address of an image, with further keys. */
    String address(String image, String... keys) {
        StringBuilder text = new StringBuilder("rbd:rbd/").append(image).append(":conf=").append(conf());
        for (String key : keys) {
            text.append(':').append(key);
        }
        return text.toString();
    }

    /** Makes an image of so many MiB. */
    String create(String image, int mebibytes) throws IOException {
        String _ = rbd("create", "rbd/" + image, "--size", mebibytes + "M");
        return image;
    }

    String rbd(String... arguments) throws IOException {
        return run("rbd", arguments);
    }

    String ceph(String... arguments) throws IOException {
        return run("ceph", arguments);
    }

    private String run(String command, String... arguments) throws IOException {
        List<String> line = new ArrayList<>(List.of(command, "-c", conf().toString()));
        line.addAll(List.of(arguments));
        try {
            return Command.run("", line.toArray(String[]::new));
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    /** A command of the script, as {@code kill-osd}. */
    void daemons(String command) throws IOException {
        script(command, directory);
    }

    @Override
    public void close() {
        try {
            process.getOutputStream().close();
            if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
                process.destroy();
            }
        } catch (IOException e) {
            process.destroy();
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
        }
    }
}
