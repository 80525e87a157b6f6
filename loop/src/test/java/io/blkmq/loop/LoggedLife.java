package io.blkmq.loop;

import io.blkmq.core.BlockIOException;
import io.blkmq.loop.transfer.Transfer;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.Registration;
import io.blkmq.testing.JavaProcess;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import static org.assertj.core.api.Assertions.assertThat;

/** A process that uses devices, with all that is logged, of whatever level, on its output. */
public final class LoggedLife {
    private static final byte[] KEY = "correct horse battery staple, and sixty-four bytes long in all.."
            .getBytes(StandardCharsets.US_ASCII);
    private static final int BLOCK = 4096;

    private LoggedLife() {}

    /** Runs one: what it and its loggers have printed, less the lines of loggers that are not ours. */
    static List<String> run(String what, String image) throws Exception {
        Path settings = Files.createTempFile("logging", ".properties");
        try {
            Files.writeString(settings, """
                handlers=java.util.logging.ConsoleHandler
                java.util.logging.ConsoleHandler.level=ALL
                java.util.logging.SimpleFormatter.format=%3$s %5$s%6$s%n
                .level=OFF
                io.blkmq.level=ALL
                """);
            Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED",
                    "-Djava.util.logging.config.file=" + settings, "-cp", JavaProcess.classPath(),
                    LoggedLife.class.getName(), what, image);
            List<String> printed = process.inputReader(StandardCharsets.UTF_8).lines().toList();
            assertThat(process.waitFor()).as(String.join("\n", printed)).isZero();
            return printed;
        } finally {
            Files.delete(settings);
        }
    }

    /** What must not be printed: pieces of the key, as text, and as people print bytes. */
    static List<String> secrets() {
        byte[] piece = Arrays.copyOf(KEY, 6);
        String bytes = Arrays.toString(piece);
        return List.of("horse", "sixty-four", HexFormat.of().formatHex(piece),
                HexFormat.ofDelimiter(":").formatHex(piece), HexFormat.ofDelimiter(" ").formatHex(piece),
                Base64.getEncoder().encodeToString(piece), bytes.substring(1, bytes.length() - 1));
    }

    /**
     * What the process does.
     *
     * @param arguments what, and the image
     * @throws IOException if what should go well does not
     */
    public static void main(String[] arguments) throws IOException {
        Path image = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "secrets" -> {
                useKeys(image, TransferFunctions.AES_XTS);
                useKeys(image, TransferFunctions.XOR);
                useKeys(image, new Failing());
            }
            case "discards" -> discard(image);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private interface Step {
        void run() throws IOException;
    }

    /** What goes wrong is printed, with all that it says. */
    private static void trying(Step step) {
        try {
            step.run();
        } catch (IOException | RuntimeException e) {
            StringWriter all = new StringWriter();
            e.printStackTrace(new PrintWriter(all));
            System.err.println(all);
        }
    }

    /** A life with all that is worth a log: no direct I/O, no partitions that could be read, a file cut short, and a device closed. */
    private static void useKeys(Path image, TransferFunction function) throws IOException {
        trying(() -> LoopConfig.builder(image).transfer(function, TransferKey.copyOf(Arrays.copyOf(KEY, 63 * 63)))
                .build());
        TransferKey key = TransferKey.copyOf(KEY);
        LoopConfig config = LoopConfig.builder(image).transfer(function, key).offsetBytes(100).partScan(true).build();
        try (LoopDevice device = LoopDevice.attach(config);
                Registration _ = device.registerMBean();
                IoBuffer buffer = IoBuffer.allocate(BLOCK)) {
            System.err.println(key + " " + function + " " + device + " " + device.status() + " " + device.attributes()
                    + " " + device.disk().queue().dump());
            for (String name : device.attributes().names()) {
                System.err.println(name + " " + device.attributes().get(name));
            }
            trying(() -> device.disk().write(0, buffer.memory()));
            trying(() -> device.disk().read(0, buffer.memory()));
            trying(() -> device.configure(config));
            trying(() -> device.setBlockBytes(1000));
            trying(() -> device.disk().discard(0, BLOCK));
            long size = Files.size(image);
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(0);
                trying(() -> device.disk().read(0, buffer.memory()));
                // The table is read once more, and cannot be.
                trying(() -> device.setBlockBytes(1024));
                file.setLength(size);
            }
        } catch (IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
        trying(() -> LoopDevice.attach(config).close());
    }

    private static void discard(Path image) throws IOException {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).direct(false).build())) {
            for (int i = 0; i < 3; i++) {
                try {
                    device.disk().discard(0, BLOCK);
                    System.err.println("OK");
                } catch (BlockIOException e) {
                    System.err.println(e.status());
                }
            }
        }
    }

    /** One that takes any key and then fails. */
    private static final class Failing implements TransferFunction {
        @Override
        public int number() {
            return 99;
        }

        @Override
        public String name() {
            return "failing";
        }

        @Override
        public void checkKeyBytes(int bytes) {}

        @Override
        public Transfer open(byte[] key) {
            return new Transfer() {
                @Override
                public void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                        long bytes) {
                    throw new IllegalStateException("the transfer function fails, on purpose");
                }

                @Override
                public void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                        long bytes) {
                    throw new IllegalStateException("the transfer function fails, on purpose");
                }

                @Override
                public void close() {}
            };
        }
    }
}
