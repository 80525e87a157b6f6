package io.blkmq.nbd;

import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.testing.JavaProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/** A process that serves a file, until it is killed. */
final class FileServer {
    private FileServer() {}

    static ProcessBuilder process(Path file, Path socket) {
        return JavaProcess.of("java", java.util.List.of("--enable-native-access=ALL-UNNAMED", "-cp",
                JavaProcess.classPath(), FileServer.class.getName(), file.toString(), socket.toString()));
    }

    /**
     * Serves.
     *
     * @param arguments the file, and the socket
     */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        LoopDevice loop = LoopDevice.attach(LoopConfig.builder(Path.of(arguments[0])).direct(false).build());
        NbdServer server = Patient.server().unix(Path.of(arguments[1])).threads(2).start();
        server.addExport(NbdExport.builder("", loop.disk()).build());
        new CountDownLatch(1).await();
    }
}
