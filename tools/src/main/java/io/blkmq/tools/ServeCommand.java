package io.blkmq.tools;

import io.blkmq.nbd.NbdDisk;
import io.blkmq.nbd.NbdServer;
import io.blkmq.nbd.NbdStatistics;
import io.blkmq.nbd.NbdTls;
import io.blkmq.nbd.NbdUri;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.serve.ServeSettings;
import io.blkmq.tools.serve.ServedDisk;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Serves disks over the network block device protocol, until it is interrupted. */
@Command(name = "serve", mixinStandardHelpOptions = true, versionProvider = Blkmq.Version.class, sortOptions = false, //
        description = "Serves disks over the network block device protocol (NBD), until Ctrl-C.", footer = {"",
                "BACKING is a PATH, mem:SIZE, null:SIZE, an image on Ceph: rbd:POOL/IMAGE[@SNAP][:conf=FILE][:id=USER],",
                "or the export of another server: nbd://HOST[:PORT]/EXPORT or",
                "nbd+unix:///EXPORT?socket=PATH, and nbds or nbds+unix with tls-certificates=DIR in the query. Each is an",
                "export. One alone has the empty name unless --name says otherwise, several have the names of their",
                "files; --name, given once for each, overrides that.", "",
                "Ctrl-C and SIGTERM: no client is accepted any more, what was asked for is answered, what was written is",
                "made durable, and the command leaves.", "", "Examples:",
                "  blkmq serve --socket /tmp/disk.sock disk.img",
                "  blkmq serve --port 10809 --read-only --name golden golden.img",
                "  blkmq serve --port 0 --tls certificates --tls-verify-peer disk.img",
                "  blkmq serve --socket /tmp/disk.sock nbds://storage/disk?tls-certificates=certificates", "",
                "Exit status: 1 I/O errors, also of what was written and could not be made durable, 2 usage; 130 after",
                "Ctrl-C and 143 after SIGTERM if all went well."})
final class ServeCommand implements Callable<Integer> {
    private static final long PATIENCE_SECONDS = 120;
    private static final int THREADS_DEFAULT_MAX = 4;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(arity = "1..*", paramLabel = "BACKING", description = "What is served.")
    private List<String> backings = new ArrayList<>();

    @Option(names = "--socket", paramLabel = "PATH", description = "Listens at a Unix socket.")
    private @Nullable Path socket;

    @Option(names = "--port", paramLabel = "N", description = "Listens at a TCP port; 0 for any that is free. 10809 if neither a socket nor a port is given.")
    private @Nullable Integer port;

    @Option(names = "--bind", paramLabel = "ADDR", description = "The address of the port. Who reaches it can use all exports: it is the loopback interface's unless given.")
    private @Nullable String bind;

    @Option(names = "--name", paramLabel = "EXPORT", description = "The name of an export, once for each backing.")
    private List<String> names = new ArrayList<>();

    @Option(names = "--engine", paramLabel = "NAME", description = "The engine for direct I/O; the fastest that there is unless given.")
    private String engine = "";

    @Option(names = "--direct", description = "Uses files past the page cache, where that is possible. The default.")
    private boolean direct;

    @Option(names = "--buffered", description = "Uses files through the page cache.")
    private boolean buffered;

    @Option(names = "--read-only", description = "Refuses writes.")
    private boolean readOnly;

    @Option(names = "--hw-queues", paramLabel = "N", description = "Hardware queues of each disk, and threads of the server: one for each processor, at most 4, unless given. Connections to another server, at most 64: 4 unless given.")
    private @Nullable Integer hardwareQueues;

    @Option(names = "--tls", paramLabel = "DIR", description = "Encrypts; DIR has server-cert.pem, server-key.pem and ca-cert.pem.")
    private @Nullable Path tls;

    @Option(names = "--tls-verify-peer", description = "Clients must show a certificate signed by ca-cert.pem.")
    private boolean verifyPeer;

    @Option(names = "--stats", description = "Prints once a second what was done.")
    private boolean stats;

    /** Ctrl-C was pressed. */
    private final CountDownLatch asked = new CountDownLatch(1);

    /** For picocli. */
    ServeCommand() {}

    @Override
    public Integer call() throws UsageException {
        check();
        CommandLine command = spec.commandLine();
        return Interruption.during(this::stop, PATIENCE_SECONDS, failure -> Blkmq.fail(failure, command), () -> {
            serve();
            return Blkmq.OK;
        });
    }

    /** Asks for the end. */
    void stop() {
        asked.countDown();
    }

    private int threads() {
        return hardwareQueues != null
                ? hardwareQueues
                : Math.clamp(Runtime.getRuntime().availableProcessors(), 1, THREADS_DEFAULT_MAX);
    }

    private void check() throws UsageException {
        if (direct && buffered) {
            throw new UsageException("--direct and --buffered exclude each other");
        }
        if (!names.isEmpty() && names.size() != backings.size()) {
            throw new UsageException(
                    "--name is given " + names.size() + " times, and there are " + backings.size() + " backings");
        }
        if (threads() < 1 || threads() > NbdServer.THREADS_MAX) {
            throw new UsageException("--hw-queues " + hardwareQueues + ": 1 to " + NbdServer.THREADS_MAX);
        }
        if (bind != null && port == null) {
            throw new UsageException("--bind needs --port");
        }
        if (port != null && (port < 0 || port > 65535)) {
            throw new UsageException("--port " + port + ": 0 to 65535");
        }
        if (verifyPeer && tls == null) {
            throw new UsageException("--tls-verify-peer needs --tls");
        }
    }

    private void serve() throws UsageException, IOException {
        ServeSettings settings = new ServeSettings(engine, !buffered, readOnly, threads(),
                hardwareQueues == null ? 0 : Math.min(hardwareQueues, NbdDisk.CONNECTIONS_MAX));
        List<ServedDisk> disks = new ArrayList<>();
        try {
            for (String backing : backings) {
                disks.add(ServedDisk.open(backing, settings));
            }
            List<String> exports = exportNames(disks);
            try (OwnCounters _ = OwnCounters.open(spec.commandLine().getErr()); NbdServer server = start()) {
                for (int i = 0; i < disks.size(); i++) {
                    server.addExport(disks.get(i).export(exports.get(i)));
                }
                tell(server, disks, exports);
                awaitEnd(server);
            }
        } finally {
            disks.reversed().forEach(ServedDisk::close);
        }
    }

    private List<String> exportNames(List<ServedDisk> disks) throws UsageException {
        List<String> exports = !names.isEmpty()
                ? names
                : disks.size() == 1 ? List.of("") : disks.stream().map(ServedDisk::name).toList();
        Set<String> seen = new HashSet<>();
        for (String name : exports) {
            if (!seen.add(name)) {
                throw new UsageException("two exports have the name '" + name + "': --name gives them others");
            }
        }
        return exports;
    }

    private NbdServer start() throws UsageException {
        NbdServer.Builder builder = NbdServer.builder().threads(threads());
        if (socket != null) {
            builder.unix(socket);
        }
        if (port != null || socket == null) {
            builder.tcp(address(port == null ? NbdServer.PORT_DEFAULT : port));
        }
        try {
            if (tls != null) {
                builder.tls(NbdTls.ofServerDirectory(tls, verifyPeer));
            }
            return builder.start();
        } catch (IOException e) {
            throw new UsageException(String.valueOf(e.getMessage()), e);
        }
    }

    private InetSocketAddress address(int number) throws UsageException {
        try {
            InetAddress address = bind == null ? InetAddress.getLoopbackAddress() : InetAddress.ofLiteral(bind);
            return new InetSocketAddress(address, number);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--bind " + bind + ": " + e.getMessage(), e);
        }
    }

    private void tell(NbdServer server, List<ServedDisk> disks, List<String> exports) {
        PrintWriter out = spec.commandLine().getOut();
        for (int i = 0; i < disks.size(); i++) {
            out.println(disks.get(i));
            for (NbdUri uri : server.uris(exports.get(i))) {
                out.println("  " + uri);
            }
            NbdUri first = server.uris(exports.get(i)).getFirst();
            // Each has places of its own.
            String fuse = "/tmp/nbd" + (i == 0 ? "" : i);
            String mounted = "/mnt" + (i == 0 ? "" : i);
            out.println("  mount, as root: mkdir -p " + fuse + (i == 0 ? "" : " " + mounted) + " && nbdfuse " + fuse
                    + " " + quote(first + certificates()) + " &");
            // Not on one line: nbdfuse takes a moment.
            out.println("    and then: mount -o loop " + fuse + "/nbd " + mounted);
            out.println("  or, where the kernel has nbd, as root: nbd-client " + ofKernel(first) + " /dev/nbd" + i
                    + (exports.get(i).isEmpty() ? "" : " -N " + quote(exports.get(i))) + encryptionOfKernel()
                    + " && mount /dev/nbd" + i + " " + mounted);
        }
        out.flush();
    }

    private String certificates() {
        return tls == null ? "" : (socket == null ? "?" : "&") + "tls-certificates=" + tls;
    }

    private String encryptionOfKernel() {
        Path directory = tls;
        if (directory == null) {
            return "";
        }
        String own = verifyPeer
                ? " -certfile " + quote(directory.resolve("client-cert.pem").toString()) + " -keyfile "
                        + quote(directory.resolve("client-key.pem").toString())
                : "";
        return " -enable-tls -cacertfile " + quote(directory.resolve("ca-cert.pem").toString()) + own;
    }

    private static String ofKernel(NbdUri uri) {
        return switch (uri.address()) {
            case UnixDomainSocketAddress unix -> "-unix " + quote(unix.getPath().toString());
            case InetSocketAddress inet -> inet.getAddress().getHostAddress() + " " + inet.getPort();
            default -> uri.toString();
        };
    }

    private static String quote(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }

    private void awaitEnd(NbdServer server) {
        PrintWriter out = spec.commandLine().getOut();
        NbdStatistics before = server.statistics();
        try {
            while (!asked.await(1, TimeUnit.SECONDS)) {
                if (stats) {
                    NbdStatistics now = server.statistics();
                    out.println(line(before, now));
                    out.flush();
                    before = now;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static String line(NbdStatistics before, NbdStatistics now) {
        return String.format(Locale.ROOT,
                "%d clients, %d reads/s %.1f MiB/s, %d writes/s %.1f MiB/s, %d others/s, %d errors", now.connections(),
                now.reads() - before.reads(), mib(now.bytesRead() - before.bytesRead()), now.writes() - before.writes(),
                mib(now.bytesWritten() - before.bytesWritten()), now.others() - before.others(), now.errors());
    }

    private static double mib(long bytes) {
        return bytes / 1048576.0;
    }
}
