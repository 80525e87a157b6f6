package io.blkmq.aio;

import io.blkmq.testing.JavaProcess;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** Another process that locks ranges of a file with the JDK's channel, on command. */
final class LockingProcess implements AutoCloseable {
    private final Process process;
    private final BufferedReader said;
    private final BufferedWriter commands;

    LockingProcess(Path path) throws IOException {
        process = JavaProcess.start("-cp", JavaProcess.classPath(), LockingProcess.class.getName(), path.toString());
        said = process.inputReader();
        commands = process.outputWriter();
    }

    /** The process's own part: {@code try POSITION SIZE}, and {@code release} for all. */
    public static void main(String[] names) throws IOException {
        List<FileLock> held = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(Path.of(names[0]), StandardOpenOption.WRITE);
                BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] words = line.split(" ", -1);
                if (words[0].equals("release")) {
                    for (FileLock lock : held) {
                        lock.release();
                    }
                    held.clear();
                    System.out.println("released");
                } else {
                    FileLock lock = channel.tryLock(Long.parseLong(words[1]), Long.parseLong(words[2]), false);
                    if (lock != null) {
                        held.add(lock);
                    }
                    System.out.println(lock == null ? "refused" : "locked");
                }
            }
        }
    }

    String ask(String command) throws IOException {
        commands.write(command + "\n");
        commands.flush();
        return String.valueOf(said.readLine());
    }

    @Override
    public void close() throws IOException {
        commands.close();
        said.close();
        process.destroy();
    }
}
