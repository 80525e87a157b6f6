package io.blkmq.loop.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.loop.shelf.Shelf;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** XTS-AES against the standard's vectors and against OpenSSL. */
@NoRescues
class AesXtsTest {
    private static final HexFormat HEX = HexFormat.of();

    /** One of the standard's vectors. */
    record Vector(int number, String key, long unit, String plain, String cipher) {
        @Override
        public String toString() {
            return "vector " + number + ": AES-" + key.length() * 2 + ", unit " + Long.toHexString(unit) + ", "
                    + plain.length() / 2 + " bytes";
        }
    }

    static Stream<Vector> vectors() throws IOException {
        List<Vector> vectors = new ArrayList<>();
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(Objects.requireNonNull(AesXtsTest.class.getResourceAsStream("xts-vectors.txt")),
                        StandardCharsets.US_ASCII))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (!line.startsWith("#")) {
                    String[] fields = line.split(" ", -1);
                    vectors.add(new Vector(Integer.parseInt(fields[0]), fields[1], Long.parseLong(fields[2], 16),
                            fields[3], fields[4]));
                }
            }
        }
        assertThat(vectors).hasSize(14);
        return vectors.stream();
    }

    @ParameterizedTest
    @MethodSource("vectors")
    void theStandardsVectorsComeOut(Vector vector) {
        byte[] plain = HEX.parseHex(vector.plain);
        try (AesXts xts = new AesXts(HEX.parseHex(vector.key), plain.length)) {
            byte[] made = new byte[plain.length];
            xts.toFile(vector.unit, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(made), 0, plain.length);
            assertThat(HEX.formatHex(made)).isEqualTo(vector.cipher);
            xts.fromFile(vector.unit, MemorySegment.ofArray(made), 0, MemorySegment.ofArray(made), 0, made.length);
            assertThat(HEX.formatHex(made)).as("back, in its place").isEqualTo(vector.plain);
        }
    }

    @Test
    void opensslMakesTheSame() {
        long seed = RandomSeed.of(AesXtsTest.class);
        Random random = new Random(seed);
        try (OpenSsl ssl = OpenSsl.open(); Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < 100; i++) {
                byte[] key = new byte[random.nextBoolean() ? 32 : 64];
                random.nextBytes(key);
                long sector = random.nextBoolean() ? random.nextInt(1000) : random.nextLong() >>> 1;
                int sectors = 1 + random.nextInt(40);
                byte[] plain = new byte[sectors * 512];
                random.nextBytes(plain);
                byte[] expected = new byte[plain.length];
                for (int s = 0; s < sectors; s++) {
                    ssl.encrypt(key, sector + s, MemorySegment.ofArray(plain).asSlice(s * 512L, 512),
                            MemorySegment.ofArray(expected).asSlice(s * 512L, 512));
                }
                try (Transfer xts = TransferFunctions.AES_XTS.open(key)) {
                    MemorySegment made = arena.allocate(plain.length);
                    xts.toFile(sector, MemorySegment.ofArray(plain), 0, made, 0, plain.length);
                    assertThat(made.toArray(ValueLayout.JAVA_BYTE)).as("round %d, seed %d", i, seed)
                            .isEqualTo(expected);
                    xts.fromFile(sector, made, 0, made, 0, plain.length);
                    assertThat(made.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(plain);
                }
            }
        }
    }

    @Test
    void aSectorIsTheSameAloneAndAmongOthers() {
        byte[] key = new byte[64];
        byte[] plain = new byte[100 * 512];
        new Random(1).nextBytes(key);
        new Random(2).nextBytes(plain);
        try (Transfer xts = TransferFunctions.AES_XTS.open(key)) {
            byte[] all = new byte[plain.length];
            xts.toFile(7, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(all), 0, plain.length);
            byte[] each = new byte[plain.length];
            for (int i = 99; i >= 0; i--) {
                xts.toFile(7 + i, MemorySegment.ofArray(plain), i * 512L, MemorySegment.ofArray(each), i * 512L, 512);
            }
            assertThat(each).isEqualTo(all);
        }
    }

    @Test
    void manyThreadsTransformAtOnce() throws Exception {
        byte[] key = new byte[32];
        new Random(3).nextBytes(key);
        byte[] plain = new byte[64 * 512];
        new Random(4).nextBytes(plain);
        try (Transfer xts = TransferFunctions.AES_XTS.open(key)) {
            byte[] expected = new byte[plain.length];
            xts.toFile(0, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(expected), 0, plain.length);
            List<Thread> threads = new ArrayList<>();
            List<String> wrong = java.util.Collections.synchronizedList(new ArrayList<>());
            for (int t = 0; t < 24; t++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    byte[] made = new byte[plain.length];
                    for (int i = 0; i < 50; i++) {
                        xts.toFile(0, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(made), 0, plain.length);
                        if (!java.util.Arrays.equals(made, expected)) {
                            wrong.add("to the file");
                        }
                        xts.fromFile(0, MemorySegment.ofArray(made), 0, MemorySegment.ofArray(made), 0, made.length);
                        if (!java.util.Arrays.equals(made, plain)) {
                            wrong.add("from the file");
                        }
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(wrong).isEmpty();
        }
    }

    @Test
    void threadsWhoseIdsPointToOnePlaceMakeAWorkplaceEachAndNoMore() throws Exception {
        try (AesXts xts = new AesXts(new byte[32], 512)) {
            long[] allocated = new long[2];
            List<Thread> threads = new ArrayList<>();
            while (threads.size() < 2) {
                int n = threads.size();
                Thread thread = new Thread(() -> {
                    MemorySegment memory = MemorySegment.ofArray(new byte[512]);
                    long before = AllocatedBytes.ofThisThread();
                    for (int i = 0; i < 15_000; i++) {
                        xts.toFile(i, memory, 0, memory, 0, 512);
                    }
                    allocated[n] = AllocatedBytes.ofThisThread() - before;
                });
                if (n == 0 || (thread.threadId() - threads.getFirst().threadId()) % Shelf.PLACES == 0) {
                    threads.add(thread);
                }
            }
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(allocated[0] + allocated[1]).as("bytes, of which a workplace takes some 30,000")
                    .isLessThan(1_000_000);
        }
    }

    @Test
    void aWorkplaceThatFindsNoRoomIsOverwritten() {
        List<AesXts.Workplace> all = new ArrayList<>();
        try (AesXts xts = new AesXts(new byte[32], 512)) {
            MemorySegment data = MemorySegment.ofArray(new byte[512]).fill((byte) 7);
            for (int i = 0; i <= Shelf.PLACES; i++) {
                // As if so many threads were at it: each of them has one that nobody else has.
                xts.toFile(i, data, 0, data, 0, 512);
                all.add(xts.takeUp());
            }
            assertThat(all).doesNotHaveDuplicates().allMatch(work -> !isEmpty(work));
            all.forEach(xts::putDown);
            assertThat(all).filteredOn(AesXtsTest::isEmpty).containsExactly(all.getLast());
        }
        assertThat(all).allMatch(AesXtsTest::isEmpty);
    }

    @Test
    void aWorkplaceThatIsInUseWhenTheKeyGoesIsOverwrittenAfterUse() {
        AesXts xts = new AesXts(new byte[32], 512);
        MemorySegment data = MemorySegment.ofArray(new byte[512]).fill((byte) 7);
        xts.toFile(1, data, 0, data, 0, 512);
        AesXts.Workplace work = xts.takeUp();
        xts.close();
        assertThat(isEmpty(work)).isFalse();
        xts.putDown(work);
        assertThat(isEmpty(work)).isTrue();
    }

    private static boolean isEmpty(AesXts.Workplace work) {
        return Stream.of(work.input, work.output, work.tweaks)
                .allMatch(bytes -> Arrays.equals(bytes, new byte[bytes.length]));
    }

    @Test
    void aClosedOneCannotBeUsedAndKnowsNoKey() {
        byte[] key = HEX.parseHex("0123456789abcdef".repeat(4));
        AesXts xts = new AesXts(key, 512);
        assertThat(xts).hasToString("aes-xts with 128 bits");
        byte[] data = new byte[1024];
        xts.toFile(0, MemorySegment.ofArray(data), 0, MemorySegment.ofArray(data), 0, data.length);
        xts.close();
        xts.close();
        assertThat(xts).hasToString("aes-xts with 128 bits, closed");
        assertThatIllegalStateException().isThrownBy(
                () -> xts.toFile(0, MemorySegment.ofArray(data), 0, MemorySegment.ofArray(data), 0, data.length))
                .withMessage("the key has been wiped");
    }

    @Test
    void aKeyCanBeOverwrittenAndSaysNothing() {
        byte[] from = HEX.parseHex("00112233445566778899aabbccddeeff");
        AesKey key = new AesKey(from, 0, 16);
        assertThat(key).hasToString("AES key of 16 bytes");
        assertThat(key.getEncoded()).isEqualTo(from).isNotSameAs(key.getEncoded());
        key.destroy();
        assertThat(key.isDestroyed()).isTrue();
        assertThatIllegalStateException().isThrownBy(key::getEncoded).withMessage("the key has been wiped");
    }

    @Test
    void keysOfOtherLengthsAreRefusedByName() {
        for (int length : new int[]{0, 16, 24, 31, 33, 48, 63, 65, 128}) {
            assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.AES_XTS.open(new byte[length]))
                    .withMessage("aes-xts takes keys of 32 or 64 bytes, two of AES in one, not of " + length);
        }
    }

    @Test
    void whatIsNotWholeSectorsIsRefused() {
        try (Transfer xts = TransferFunctions.AES_XTS.open(new byte[32])) {
            MemorySegment memory = MemorySegment.ofArray(new byte[1024]);
            assertThatIllegalArgumentException().isThrownBy(() -> xts.toFile(0, memory, 0, memory, 0, 513))
                    .withMessage("513 bytes: not a number of units of 512 bytes");
        }
    }
}
