package io.blkmq.tools;

import io.blkmq.testing.JavaProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A process that serves; ends like one whose user has pressed Ctrl-C. */
final class Served implements AutoCloseable {
    final Process process;
    final List<String> lines = new ArrayList<>();
    private final BufferedReader out;

    Served(Path socket, String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("--enable-native-access=ALL-UNNAMED", "-cp",
                JavaProcess.classPath(), "io.blkmq.tools.Blkmq", "serve", "--socket", socket.toString()));
        arguments.addAll(List.of(more));
        process = JavaProcess.start(arguments.toArray(String[]::new));
        out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        readUntil("nbd-client");
    }

    /** Reads lines up to one with these words. */
    void readUntil(String words) throws IOException {
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            lines.add(line);
            if (line.contains(words)) {
                return;
            }
        }
        throw new IOException("it ended: " + lines);
    }

    String uri() {
        return lines.get(1).strip();
    }

    /** Ends it, and returns what it still printed. */
    String end() throws IOException {
        // Not by the process, which would close what it prints.
        boolean _ = process.toHandle().destroy();
        StringBuilder rest = new StringBuilder();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            rest.append(line).append('\n');
        }
        close();
        return rest.toString();
    }

    @Override
    public void close() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(300, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException("it does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
