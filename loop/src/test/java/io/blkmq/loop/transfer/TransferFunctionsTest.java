package io.blkmq.loop.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testing.Command;
import io.blkmq.testing.NoRescues;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which transfer functions there are, and the simple ones. */
@NoRescues
class TransferFunctionsTest {
    @Test
    void theyAreFoundByNumberAndByName() {
        assertThat(TransferFunctions.find(0)).isSameAs(TransferFunctions.find("none")).isSameAs(TransferFunctions.NONE);
        assertThat(TransferFunctions.find(1)).isSameAs(TransferFunctions.find("xor")).isSameAs(TransferFunctions.XOR);
        assertThat(TransferFunctions.find(21)).isSameAs(TransferFunctions.find("aes-xts"))
                .isSameAs(TransferFunctions.AES_XTS);
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> TransferFunctions.find("twofish"))
                .withMessage(
                        "no transfer function of name twofish: there are [none (0), xor (1), aes-xts (21), aes-xts-java (22), "
                                + "aes-xts-openssl (23)]");
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> TransferFunctions.find(3))
                .withMessageStartingWith("no transfer function of number 3");
    }

    @Test
    void oneOfAnotherAuthorIsFoundOnTheClassPath(@TempDir Path directory) throws Exception {
        Path source = Files.writeString(directory.resolve("Inverse.java"),
                """
                    package other;
                    import io.blkmq.loop.transfer.*;
                    import java.lang.foreign.*;
                    public final class Inverse implements TransferFunction {
                        public int number() { return 100; }
                        public String name() { return "inverse"; }
                        public void checkKeyBytes(int bytes) {}
                        public Transfer open(byte[] key) {
                            return new Transfer() {
                                public void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                                        long bytes) {
                                    for (long i = 0; i < bytes; i++) {
                                        to.set(ValueLayout.JAVA_BYTE, toOffset + i,
                                                (byte) ~from.get(ValueLayout.JAVA_BYTE, fromOffset + i));
                                    }
                                }
                                public void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                                        long bytes) {
                                    toFile(sector, from, fromOffset, to, toOffset, bytes);
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
                transfer.toFile(0, MemorySegment.ofArray(data), 0, MemorySegment.ofArray(data), 0, data.length);
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
                xor.toFile(9, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(made), 0, plain.length);
                for (int i = 0; i < plain.length; i++) {
                    assertThat(made[i]).isEqualTo((byte) (plain[i] ^ key[i % 512 % length]));
                }
                xor.fromFile(1, MemorySegment.ofArray(made), 0, MemorySegment.ofArray(made), 0, made.length);
                assertThat(made).isEqualTo(plain);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "xor", "aes-xts", "aes-xts-java", "aes-xts-openssl"})
    void aPartOfSomeMemoryIsTransformedIntoAPartOfAnotherAndNothingBesides(String name) {
        if (name.equals("aes-xts-openssl") && LibCrypto.refusal() != null) {
            Command.lacking(Evp.LIBRARY);
        }
        byte[] key = new byte[name.equals("none") ? 0 : 64];
        byte[] plain = new byte[20 * 512];
        new Random(6).nextBytes(key);
        new Random(7).nextBytes(plain);
        MemorySegment from = MemorySegment.ofArray(plain);
        int bytes = 18 * 512;
        int plainAt = 520;
        int madeAt = 24;
        try (Transfer transfer = TransferFunctions.find(name).open(key)) {
            byte[] whole = new byte[bytes];
            transfer.toFile(3, MemorySegment.ofArray(Arrays.copyOfRange(plain, plainAt, plainAt + bytes)), 0,
                    MemorySegment.ofArray(whole), 0, bytes);
            byte[] expected = new byte[plain.length];
            System.arraycopy(whole, 0, expected, madeAt, bytes);
            byte[] made = new byte[plain.length];
            transfer.toFile(3, from, plainAt, MemorySegment.ofArray(made), madeAt, bytes);
            assertThat(made).isEqualTo(expected);
            byte[] back = plain.clone();
            Arrays.fill(back, plainAt, plainAt + bytes, (byte) 0);
            transfer.fromFile(3, MemorySegment.ofArray(made), madeAt, MemorySegment.ofArray(back), plainAt, bytes);
            assertThat(back).isEqualTo(plain);
        }
    }

    @Test
    void xorForgetsItsKey() {
        Transfer xor = TransferFunctions.XOR.open(new byte[]{7});
        assertThat(xor).hasToString("xor");
        xor.close();
        byte[] data = new byte[512];
        xor.toFile(0, MemorySegment.ofArray(data), 0, MemorySegment.ofArray(data), 0, data.length);
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
            byte[] made = new byte[512];
            xor.toFile(0, MemorySegment.ofArray(new byte[512]), 0, MemorySegment.ofArray(made), 0, made.length);
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
