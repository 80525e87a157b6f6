package io.blkmq.rbd;

import io.blkmq.aio.AioException;
import io.blkmq.rbd.ceph.Ceph;
import io.blkmq.rbd.ceph.Rados;
import io.blkmq.testing.Command;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A cluster of one monitor and one OSD, which all tests of this JVM share: begun with the first, ended with the JVM. It reads from a pipe of this process, so it
 * ends also if that is killed. Tests that kill its daemons start one of their own.
 */
public final class SmallCluster implements AutoCloseable {
    private static final String SCRIPT = Path.of("..", "bin", "ceph-small").toAbsolutePath().normalize().toString();
    /** How long a daemon may take to start, on a machine that is slow. */
    private static final int SECONDS = 300;
    private static final int TRIES = 5;
    /** How long opening, and the end of a device, wait for the cluster, where a test does not say otherwise. */
    private static final int WAIT_SECONDS = 300;
    /** Behind the ports that OSDs take, and before those that the system gives to connections. */
    private static final int FIRST_PORT = 12_000;
    private static final int PORTS = 20_000;
    /** For each cluster of this process another, wherever that of another process begins. */
    private static final AtomicInteger NEXT_PORT = new AtomicInteger(
            (int) (31 * ProcessHandle.current().pid() % PORTS));

    private static @Nullable SmallCluster shared;
    private static @Nullable String failure;

    /** Layering, exclusive lock, object map, fast diff and deep flatten, by rbd/features.h. */
    private static final long FEATURES = 1 | 4 | 8 | 16 | 32;

    private final Path directory;
    private final Process process;
    /** Where images are made; 0 before the first. */
    private long pool;

    private SmallCluster(Path directory, Process process) {
        this.directory = directory;
        this.process = process;
    }

    /** The one of this JVM. Ends the test as skipped where Ceph is not installed, and as failed where it is and does not start. */
    public static synchronized SmallCluster shared() throws IOException {
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
    public static void requireInstalled() {
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
        Process process = new ProcessBuilder(SCRIPT, "run", directory.toString(), "--port", String.valueOf(freePort()),
                "--seconds", String.valueOf(SECONDS)).redirectErrorStream(true).start();
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

    /** None of those that the system gives to connections: one of these could have it when the monitor is to come back. */
    private static int freePort() throws IOException {
        for (int tries = 0; tries < PORTS; tries++) {
            int port = FIRST_PORT + NEXT_PORT.getAndIncrement() % PORTS;
            try (ServerSocket _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (BindException e) {
                // Somebody has it: the next.
            }
        }
        throw new IOException("no port is free");
    }

    private static void script(String command, Path directory) throws IOException {
        try {
            String _ = Command.run("", SCRIPT, command, directory.toString(), "--seconds", String.valueOf(SECONDS));
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    public Path conf() {
        return directory.resolve("ceph.conf");
    }

    /** The address of an image, with further keys. */
    public String address(String image, String... keys) {
        StringBuilder text = new StringBuilder("rbd:rbd/").append(image).append(":conf=").append(conf());
        for (String key : keys) {
            text.append(':').append(key);
        }
        if (Stream.of(keys).noneMatch(key -> key.startsWith("wait="))) {
            text.append(":wait=").append(WAIT_SECONDS);
        }
        return text.toString();
    }

    /** Makes an image of so many bytes, with the features that images have by default. */
    public synchronized String create(String image, long bytes) throws IOException {
        if (pool == 0) {
            connect();
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment order = arena.allocate(ValueLayout.JAVA_INT);
            int result = (int) Create.HANDLE.invokeExact(pool, arena.allocateFrom(image).address(), bytes, FEATURES,
                    order.address());
            if (result < 0) {
                throw AioException.of(result, Path.of(image), "create");
            }
        } catch (IOException e) {
            throw e;
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
        return image;
    }

    private void connect() throws IOException {
        long handle = Rados.create("admin").address();
        int result = Rados.readConf(handle, conf().toString());
        result = result < 0 ? result : Rados.connect(handle);
        Rados.Made opened = result < 0 ? new Rados.Made(result, 0) : Rados.openPool(handle, "rbd");
        if (opened.result() < 0) {
            throw AioException.of(opened.result(), conf(), "connect");
        }
        pool = opened.address();
    }

    /** Loaded where librbd is there. */
    private static final class Create {
        @SuppressWarnings("restricted")
        static final MethodHandle HANDLE = Linker.nativeLinker().downcallHandle(
                SymbolLookup.libraryLookup("librbd.so.1", Arena.global()).find("rbd_create2").orElseThrow(),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    }

    public String rbd(String... arguments) throws IOException {
        return run("rbd", arguments);
    }

    /** Asks the cluster for something. A monitor that is busy may refuse it once or twice. */
    public String ceph(String... arguments) throws IOException {
        for (int tries = 1;; tries++) {
            try {
                return run("ceph", arguments);
            } catch (IOException e) {
                if (tries == TRIES) {
                    throw e;
                }
            }
        }
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
    public void daemons(String command) throws IOException {
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
