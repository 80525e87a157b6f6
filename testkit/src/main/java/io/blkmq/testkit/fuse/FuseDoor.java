package io.blkmq.testkit.fuse;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * File systems in memory that are mounted: whoever opens a file below the folder of a {@link FuseMount}, by whatever way, is served from a
 * {@link io.blkmq.testkit.tree.FileTree} that can be recorded and exchanged. They are served by a process of their own, a
 * {@link FuseServer}, which this starts and talks to by its standard streams; this process calls no native code.
 *
 * <p>Nothing stays mounted: the server unmounts when this closes and when this process ends, also if it is killed. If the server is killed,
 * files on its mounts answer ENOTCONN, the mounts are removed at once, and all calls here fail and say so. A server that does not answer
 * within {@value #ANSWER_SECONDS} s is killed.
 *
 * <p>Thread-safe: calls are made one after another.
 */
@SuppressWarnings("EnumOrdinal") // both sides of the pipe are of one build
public final class FuseDoor implements AutoCloseable {
    private static final long ANSWER_SECONDS = 60;
    /** How long a server may take to end by itself. */
    private static final long END_SECONDS = 10;
    /** A Java process that starts, asks and ends, on a machine that is busy. */
    private static final long CLEAN_SECONDS = 60;
    private static final int WATCH_MILLIS = 500;
    private static final int ERROR_TEXT_MAX = 2_000;
    /** Of the test's JVM, and not of ours: an agent that listens at a port, say. */
    private static final List<String> OPTION_VARIABLES = List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS");

    /** Finds out once. */
    private static final class Availability {
        static final @Nullable String OBSTACLE = find();

        private static @Nullable String find() {
            String quick = quickObstacle();
            if (quick != null) {
                return quick;
            }
            // A mount that is tried says best whether one is possible.
            try (FuseDoor door = new FuseDoor()) {
                Path folder = Files.createTempDirectory("blkmq-fuse");
                try {
                    door.mount(folder).close();
                } finally {
                    Files.delete(folder);
                }
                return null;
            } catch (IOException e) {
                return e.getMessage();
            }
        }
    }

    private final Process server;
    private final InputStream in;
    private final OutputStream out;
    /** Completes when the server has ended, and mounts that it left are gone. */
    private final CompletableFuture<Void> end;
    private final Thread watch;
    /** When the call that waits for an answer began; 0 if none does. */
    private volatile long callNanos;
    private volatile boolean closing;
    private volatile boolean hasMounted;

    private FuseDoor() throws IOException {
        this.server = start();
        this.in = new BufferedInputStream(server.getInputStream());
        this.out = new BufferedOutputStream(server.getOutputStream());
        this.end = server.onExit().thenAcceptAsync(_ -> cleanUpAfterDeath(), FuseDoor::runAside);
        this.watch = Thread.ofPlatform().daemon().name("blkmq-fuse-watch").unstarted(this::watch);
        try {
            watch.start();
            var _ = answer();
        } catch (Throwable t) {
            closeAfter(t);
            throw t;
        }
    }

    /** The first failure says why there is no door. */
    private void closeAfter(Throwable first) {
        try {
            close();
        } catch (RuntimeException | Error e) {
            first.addSuppressed(e);
        }
    }

    private static void runAside(Runnable work) {
        Thread.ofPlatform().daemon().name("blkmq-fuse-cleaning").start(work);
    }

    /**
     * Why nothing can be mounted here. A mount is tried to find out, once.
     *
     * @return a sentence; empty if mounts are possible
     */
    public static Optional<String> unavailable() {
        return Optional.ofNullable(Availability.OBSTACLE);
    }

    /**
     * Starts a server.
     *
     * @return to be closed
     * @throws IOException if there can be none here, with the reason
     */
    public static FuseDoor open() throws IOException {
        String quick = quickObstacle();
        if (quick != null) {
            throw new IOException(quick);
        }
        return new FuseDoor();
    }

    private static @Nullable String quickObstacle() {
        String system = System.getProperty("os.name", "");
        if (!system.toLowerCase(Locale.ROOT).equals("linux")) {
            return "FUSE needs Linux, and this is " + system;
        }
        return Files.exists(Path.of("/dev/fuse"))
                ? null
                : "there is no /dev/fuse here: the kernel has no FUSE, or a container hides it";
    }

    private static Process start() throws IOException {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        List<String> command = new ArrayList<>(List.of(java.toString(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED", "-cp",
                classPath(), FuseServer.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command);
        OPTION_VARIABLES.forEach(builder.environment()::remove);
        try {
            return builder.start();
        } catch (IOException e) {
            throw new IOException("cannot start a server for mounts: " + e.getMessage(), e);
        }
    }

    /** Where the server's classes are: all of them are in this module. */
    private static String classPath() {
        CodeSource source = FuseServer.class.getProtectionDomain().getCodeSource();
        URL location = source == null ? null : source.getLocation();
        try {
            URI place = location == null ? null : location.toURI();
            if (place != null && "file".equals(place.getScheme())) {
                return Path.of(place).toString();
            }
        } catch (URISyntaxException | IllegalArgumentException _) {
            // Then it is somewhere on the path.
        }
        return System.getProperty("jdk.module.path", "") + File.pathSeparator + System.getProperty("java.class.path");
    }

    /**
     * Mounts an empty root, in which nothing can be made; trees are shown in it.
     *
     * @param folder an empty directory
     * @return to be closed
     * @throws IOException if it cannot be: the folder is not there, is not empty, or is mounted already
     */
    public FuseMount mount(Path folder) throws IOException {
        Path real;
        try {
            real = folder.toRealPath();
        } catch (IOException e) {
            throw new IOException(folder + " does not exist, and so cannot be the folder of a mount", e);
        }
        Frames.Message message = new Frames.Message(Command.MOUNT.ordinal());
        message.writeUTF(real.toString());
        hasMounted = true;
        return new FuseMount(this, call(message).readInt(), real);
    }

    /** Ends a mount. */
    void unmount(int number) throws IOException {
        Frames.Message message = new Frames.Message(Command.UNMOUNT.ordinal());
        message.writeInt(number);
        var _ = call(message);
    }

    /**
     * Asks the server.
     *
     * @return the answer, behind what says that it is one
     * @throws IOException if the server refuses, with its reason, or if it is gone
     */
    synchronized DataInputStream call(Frames.Message message) throws IOException {
        if (closing) {
            throw new IOException("this door is closed");
        }
        message.requireLength();
        callNanos = Math.max(1, System.nanoTime());
        try {
            message.sendTo(out);
        } catch (IOException e) {
            throw ended(e);
        }
        return answer();
    }

    private DataInputStream answer() throws IOException {
        callNanos = Math.max(1, System.nanoTime());
        DataInputStream answer;
        try {
            answer = Frames.receive(in);
        } catch (IOException e) {
            throw ended(e);
        }
        callNanos = 0;
        if (answer == null) {
            throw ended(null);
        }
        if (answer.readByte() != Frames.DONE) {
            throw new IOException(answer.readUTF());
        }
        return answer;
    }

    /** The server is gone or about to be. */
    private IOException ended(@Nullable Throwable cause) {
        awaitEnd();
        String said;
        try {
            said = new String(server.getErrorStream().readNBytes(ERROR_TEXT_MAX), StandardCharsets.UTF_8).strip();
        } catch (IOException _) {
            said = "";
        }
        return new IOException("the server of the mounts has ended, with status " + server.exitValue()
                + (said.isEmpty() ? "" : ": " + said), cause);
    }

    /** Kills a server that does not answer. */
    private void watch() {
        while (!closing && server.isAlive()) {
            long began = callNanos;
            if (began != 0 && System.nanoTime() - began > TimeUnit.SECONDS.toNanos(ANSWER_SECONDS)) {
                server.destroyForcibly();
            }
            try {
                Thread.sleep(WATCH_MILLIS);
            } catch (InterruptedException _) {
                return;
            }
        }
    }

    /** A server that starts removes the mounts of those that are gone. */
    private void cleanUpAfterDeath() {
        if (server.exitValue() == 0 || !hasMounted) {
            return;
        }
        try {
            Process cleaner = start();
            cleaner.getOutputStream().close();
            if (!cleaner.waitFor(CLEAN_SECONDS, TimeUnit.SECONDS)) {
                cleaner.destroyForcibly();
            }
        } catch (IOException _) {
            // The next server that starts does it.
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    /** Unmounts everything and ends the server. Files that are open or mapped then answer ENOTCONN. */
    @Override
    public void close() {
        closing = true;
        watch.interrupt();
        try {
            server.getOutputStream().close();
        } catch (IOException _) {
            // It has ended already.
        }
        awaitEnd();
    }

    /** Waits until the server has ended, which it does by itself, and nothing of it is mounted. An interrupt does not end this. */
    private void awaitEnd() {
        boolean interrupted = false;
        while (true) {
            try {
                var _ = end.get(END_SECONDS, TimeUnit.SECONDS);
                break;
            } catch (InterruptedException _) {
                interrupted = true;
            } catch (TimeoutException _) {
                server.destroyForcibly();
            } catch (ExecutionException e) {
                throw new IllegalStateException("the mounts of a server that is gone could not be removed", e);
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
