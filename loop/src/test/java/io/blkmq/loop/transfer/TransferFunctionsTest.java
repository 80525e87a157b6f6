package io.blkmq.loop.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which transfer functions there are, and the simple ones. */
class TransferFunctionsTest {
    @Test
    void theyAreFoundByNumberAndByName() {
        assertThat(TransferFunctions.find(0)).isSameAs(TransferFunctions.find("none")).isSameAs(TransferFunctions.NONE);
        assertThat(TransferFunctions.find(1)).isSameAs(TransferFunctions.find("xor")).isSameAs(TransferFunctions.XOR);
        assertThat(TransferFunctions.find(21)).isSameAs(TransferFunctions.find("aes-xts"))
                .isSameAs(TransferFunctions.AES_XTS);
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> TransferFunctions.find("twofish"))
                .withMessage("no transfer function of name twofish: there are [none (0), xor (1), aes-xts (21)]");
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> TransferFunctions.find(3))
                .withMessageStartingWith("no transfer function of number 3");
    }

    @Test
    void oneOfAnotherAuthorIsFoundOnTheClassPath(@TempDir Path directory) throws Exception {
        Path source = Files.writeString(directory.resolve("Inverse.java"), """
            package other;
            import io.blkmq.loop.transfer.*;
            import java.lang.foreign.*;
            public final class Inverse implements TransferFunction {
                public int number() { return 100; }
                public String name() { return "inverse"; }
                public void checkKeyBytes(int bytes) {}
                public Transfer open(byte[] key) {
                    return new Transfer() {
                        public void toFile(long sector, MemorySegment from, MemorySegment to) {
                            for (long i = 0; i < from.byteSize(); i++) {
                                to.set(ValueLayout.JAVA_BYTE, i, (byte) ~from.get(ValueLayout.JAVA_BYTE, i));
                            }
                        }
                        public void fromFile(long sector, MemorySegment from, MemorySegment to) {
                            toFile(sector, from, to);
                        }
                        public void close() {}
                    };
                }
            }
            """);
        Path services = Files.createDirectories(directory.resolve("META-INF/services"));
        Files.writeString(services.resolve(TransferFunction.class.getName()), "other.Inverse");
        URL classes = TransferFunction.class.getProtectionDomain().getCodeSource().getLocation();
        StringWriter said = new StringWriter();
        int compiled = ToolProvider.findFirst("javac").orElseThrow().run(new PrintWriter(said), new PrintWriter(said),
                "-cp", Path.of(classes.toURI()).toString(), "-d", directory.toString(), source.toString());
        assertThat(compiled).as(said.toString()).isZero();
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try (URLClassLoader loader = new URLClassLoader(new URL[]{directory.toUri().toURL()}, before)) {
            Thread.currentThread().setContextClassLoader(loader);
            TransferFunction found = TransferFunctions.find("inverse");
            assertThat(found.number()).isEqualTo(100);
            try (Transfer transfer = found.open(new byte[0])) {
                byte[] data = "data".getBytes(StandardCharsets.US_ASCII);
                transfer.toFile(0, MemorySegment.ofArray(data), MemorySegment.ofArray(data));
                assertThat(data[0]).isEqualTo((byte) ~'d');
            }
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> TransferFunctions.find("inverse"));
    }

    @Test
    void xorRepeatsItsKeyWithinEachSector() {
        Random random = new Random(5);
        for (int length : new int[]{1, 3, 16, 32, 100, 512}) {
            byte[] key = new byte[length];
            byte[] plain = new byte[5 * 512];
            random.nextBytes(key);
            random.nextBytes(plain);
            byte[] made = new byte[plain.length];
            try (Transfer xor = TransferFunctions.XOR.open(key)) {
                xor.toFile(9, MemorySegment.ofArray(plain), MemorySegment.ofArray(made));
                for (int i = 0; i < plain.length; i++) {
                    assertThat(made[i]).isEqualTo((byte) (plain[i] ^ key[i % 512 % length]));
                }
                xor.fromFile(1, MemorySegment.ofArray(made), MemorySegment.ofArray(made));
                assertThat(made).isEqualTo(plain);
            }
        }
    }

    @Test
    void xorForgetsItsKey() {
        Transfer xor = TransferFunctions.XOR.open(new byte[]{7});
        assertThat(xor).hasToString("xor");
        xor.close();
        byte[] data = new byte[512];
        xor.toFile(0, MemorySegment.ofArray(data), MemorySegment.ofArray(data));
        assertThat(data).containsOnly(0);
    }

    @Test
    void keysOfWrongLengthsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.XOR.open(new byte[0]))
                .withMessage("xor takes keys of 1 to 512 bytes, not of 0");
        assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.XOR.open(new byte[513]));
        assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.NONE.open(new byte[4]))
                .withMessage("none takes no key, not one of 4 bytes");
    }

    @Test
    void aKeyIsACopyThatIsWipedAndSaysNothing() {
        byte[] bytes = new byte[32];
        Arrays.fill(bytes, (byte) 0x5a);
        TransferKey key = TransferKey.copyOf(bytes);
        Arrays.fill(bytes, (byte) 0);
        try (Transfer xor = key.open(TransferFunctions.XOR)) {
            xor.toFile(0, MemorySegment.ofArray(new byte[512]), MemorySegment.ofArray(new byte[512]));
            byte[] made = new byte[512];
            xor.toFile(0, MemorySegment.ofArray(new byte[512]), MemorySegment.ofArray(made));
            assertThat(made).containsOnly(0x5a);
        }
        assertThat(key).hasToString("key of 32 bytes");
        key.destroy();
        assertThat(key).hasToString("key of 32 bytes, wiped");
        assertThat(key.isDestroyed()).isTrue();
        assertThatIllegalStateException().isThrownBy(() -> key.open(TransferFunctions.XOR))
                .withMessageContaining("has been wiped");
    }
}
