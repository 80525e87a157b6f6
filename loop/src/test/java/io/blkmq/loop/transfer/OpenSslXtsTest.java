package io.blkmq.loop.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.loop.shelf.Shelf;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** XTS-AES by OpenSSL against the standard's vectors and against the one by the JDK, and what becomes of its keys. */
@NoRescues
@Isolated
class OpenSslXtsTest {
    private static final HexFormat HEX = HexFormat.of();

    @TempDir
    private Path directory;

    @BeforeEach
    void requireTheLibrary() {
        if (LibCrypto.refusal() != null) {
            Command.lacking(Evp.LIBRARY);
        }
    }

    private static byte[] key(int bytes, long seed) {
        byte[] key = new byte[bytes];
        new Random(seed).nextBytes(key);
        return key;
    }

    static Stream<AesXtsTest.Vector> vectors() throws IOException {
        return AesXtsTest.vectors().filter(vector -> !OpenSslXts.hasEqualHalves(HEX.parseHex(vector.key())));
    }

    @ParameterizedTest
    @MethodSource("vectors")
    void theStandardsVectorsComeOut(AesXtsTest.Vector vector) {
        byte[] plain = HEX.parseHex(vector.plain());
        try (OpenSslXts xts = new OpenSslXts(HEX.parseHex(vector.key()), plain.length)) {
            byte[] made = new byte[plain.length];
            xts.toFile(vector.unit(), MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(made), 0, plain.length);
            assertThat(HEX.formatHex(made)).isEqualTo(vector.cipher());
            xts.fromFile(vector.unit(), MemorySegment.ofArray(made), 0, MemorySegment.ofArray(made), 0, made.length);
            assertThat(HEX.formatHex(made)).as("back, in its place").isEqualTo(vector.plain());
        }
    }

    @Test
    void theVectorsAreAllButTheOneWhoseKeysAreTheSame() throws IOException {
        assertThat(vectors()).hasSize(13);
    }

    @Test
    void theJdkMakesTheSame() {
        long seed = RandomSeed.of(OpenSslXtsTest.class);
        Random random = new Random(seed);
        try (Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < 300; i++) {
                byte[] key = new byte[random.nextBoolean() ? 32 : 64];
                random.nextBytes(key);
                int bytes = (1 + random.nextInt(40)) * 512;
                int fromAt = random.nextInt(70);
                int toAt = random.nextInt(70);
                byte[] plain = new byte[bytes + fromAt];
                random.nextBytes(plain);
                long sector = random.nextBoolean() ? random.nextInt(1000) : random.nextLong();
                MemorySegment from = memory(random, arena, bytes + fromAt);
                MemorySegment to = memory(random, arena, bytes + toAt);
                from.copyFrom(MemorySegment.ofArray(plain));
                byte[] expected = new byte[bytes + toAt];
                byte[] back = new byte[bytes + fromAt];
                try (Transfer jdk = TransferFunctions.AES_XTS_JAVA.open(key);
                        Transfer openssl = TransferFunctions.AES_XTS_OPENSSL.open(key)) {
                    jdk.toFile(sector, MemorySegment.ofArray(plain), fromAt, MemorySegment.ofArray(expected), toAt,
                            bytes);
                    openssl.toFile(sector, from, fromAt, to, toAt, bytes);
                    assertThat(to.toArray(ValueLayout.JAVA_BYTE)).as("round %d, seed %d", i, seed).isEqualTo(expected);
                    openssl.fromFile(sector, to, toAt, to, toAt, bytes);
                    jdk.fromFile(sector, MemorySegment.ofArray(expected), toAt, MemorySegment.ofArray(back), fromAt,
                            bytes);
                    assertThat(to.asSlice(toAt, bytes).mismatch(MemorySegment.ofArray(back).asSlice(fromAt, bytes)))
                            .as("back, round %d, seed %d", i, seed).isEqualTo(-1);
                    assertThat(Arrays.copyOfRange(back, fromAt, back.length))
                            .isEqualTo(Arrays.copyOfRange(plain, fromAt, plain.length));
                }
            }
        }
    }

    private static MemorySegment memory(Random random, Arena arena, int bytes) {
        return random.nextBoolean() ? arena.allocate(bytes) : MemorySegment.ofArray(new byte[bytes]);
    }

    @Test
    void manyThreadsTransformAtOnce() throws Exception {
        byte[] plain = key(64 * 512, 4);
        try (Transfer xts = TransferFunctions.AES_XTS_OPENSSL.open(key(32, 3)); Arena arena = Arena.ofShared()) {
            byte[] expected = new byte[plain.length];
            xts.toFile(0, MemorySegment.ofArray(plain), 0, MemorySegment.ofArray(expected), 0, plain.length);
            List<Thread> threads = new ArrayList<>();
            List<String> wrong = Collections.synchronizedList(new ArrayList<>());
            for (int t = 0; t < 24; t++) {
                MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, plain);
                MemorySegment made = arena.allocate(plain.length);
                threads.add(Thread.ofPlatform().start(() -> {
                    for (int i = 0; i < 200; i++) {
                        xts.toFile(0, from, 0, made, 0, plain.length);
                        if (made.mismatch(MemorySegment.ofArray(expected)) != -1) {
                            wrong.add("to the file");
                        }
                        xts.fromFile(0, made, 0, made, 0, plain.length);
                        if (made.mismatch(from) != -1) {
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

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void noMemoryOfOpenSslHasTheKeyAfterTheEnd(int keyBytes) throws IOException {
        byte[] key = key(keyBytes, System.nanoTime());
        // The first round key of AES is the key itself, or its half.
        byte[] part = Arrays.copyOf(key, 16);
        OpenSslXts xts = new OpenSslXts(key, 512);
        MemorySegment data = MemorySegment.ofArray(new byte[8192]);
        xts.toFile(1, data, 0, data, 0, 8192);
        OpenSslXts.Workplace work = xts.takeUp();
        // OpenSSL has the number beside the key.
        long near = Evp.numberOf(work.encryption).address() - 4096;
        xts.putDown(work);
        assertThat(holds(near, part)).as("the place where this looks").isTrue();
        xts.close();
        assertThat(work.isWiped()).isTrue();
        assertThat(holds(near, part)).isFalse();
    }

    /** Whether two pages of this process have some bytes, read by way of the kernel, which minds nothing that was freed. */
    private static boolean holds(long address, byte[] part) throws IOException {
        byte[] memory = new byte[8192];
        try (RandomAccessFile file = new RandomAccessFile("/proc/self/mem", "r")) {
            file.seek(address);
            int read = file.read(memory);
            assertThat(read).isEqualTo(memory.length);
        }
        return new String(memory, StandardCharsets.ISO_8859_1).contains(new String(part, StandardCharsets.ISO_8859_1));
    }

    @Test
    void aWorkplaceThatFindsNoRoomIsWiped() {
        List<OpenSslXts.Workplace> all = new ArrayList<>();
        try (OpenSslXts xts = new OpenSslXts(key(32, 1), 512)) {
            for (int i = 0; i <= Shelf.PLACES; i++) {
                all.add(xts.takeUp());
            }
            assertThat(all).doesNotHaveDuplicates().noneMatch(OpenSslXts.Workplace::isWiped);
            all.forEach(xts::putDown);
            assertThat(all).filteredOn(OpenSslXts.Workplace::isWiped).containsExactly(all.getLast());
        }
        assertThat(all).allMatch(OpenSslXts.Workplace::isWiped);
    }

    @Test
    void aWorkplaceThatIsInUseWhenTheKeyGoesIsWipedAfterUse() {
        OpenSslXts xts = new OpenSslXts(key(32, 1), 512);
        OpenSslXts.Workplace work = xts.takeUp();
        xts.close();
        assertThat(work.isWiped()).isFalse();
        xts.putDown(work);
        assertThat(work.isWiped()).isTrue();
    }

    @Test
    void aClosedOneCannotBeUsed() {
        OpenSslXts xts = new OpenSslXts(key(64, 2), 512);
        assertThat(xts).hasToString("aes-xts of OpenSSL with 256 bits");
        xts.close();
        xts.close();
        assertThat(xts).hasToString("aes-xts of OpenSSL with 256 bits, closed");
        MemorySegment data = MemorySegment.ofArray(new byte[512]);
        assertThatIllegalStateException().isThrownBy(() -> xts.toFile(0, data, 0, data, 0, 512))
                .withMessage("the key has been wiped");
    }

    @Test
    void memoryThatIsNotThereIsRefusedBeforeItIsTouched() throws Exception {
        try (Transfer xts = TransferFunctions.AES_XTS_OPENSSL.open(key(32, 1)); Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(1024);
            assertThatIllegalArgumentException().isThrownBy(() -> xts.toFile(0, memory, 0, memory, 0, 513))
                    .withMessage("513 bytes: not a number of units of 512 bytes");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> xts.toFile(0, memory, 1, memory, 0, 1024));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> xts.toFile(0, memory, 0, memory, 520, 512));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> xts.toFile(0, memory, 0, memory, -512, 512));
            MemorySegment readOnly = memory.asReadOnly();
            assertThatIllegalArgumentException().isThrownBy(() -> xts.toFile(0, memory, 0, readOnly, 0, 512))
                    .withMessage("the memory to transform into is read-only");
            List<Throwable> thrown = Collections.synchronizedList(new ArrayList<>());
            Thread other = Thread.ofPlatform().uncaughtExceptionHandler((_, t) -> thrown.add(t))
                    .start(() -> xts.toFile(0, memory, 0, memory, 0, 512));
            other.join();
            assertThat(thrown).singleElement().isInstanceOf(WrongThreadException.class);
            MemorySegment gone;
            try (Arena closed = Arena.ofConfined()) {
                gone = closed.allocate(512);
            }
            assertThatIllegalStateException().isThrownBy(() -> xts.toFile(0, gone, 0, memory, 0, 512))
                    .withMessage("Already closed");
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
        }
    }

    @Test
    void whatOpenSslRefusesIsToldAndTheFasterOneTakesIt() {
        byte[] twice = new byte[32];
        assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.AES_XTS_OPENSSL.open(twice))
                .withMessage("aes-xts-openssl takes no key of 32 bytes whose two halves are the same");
        assertThatIllegalStateException().isThrownBy(() -> new OpenSslXts(twice, 512))
                .withMessageStartingWith("OpenSSL refused a key of 32 bytes: error:").withMessageContaining("dupl");
        try (Transfer xts = TransferFunctions.AES_XTS.open(twice)) {
            assertThat(xts).hasToString("aes-xts with 128 bits");
        }
        assertThatIllegalArgumentException().isThrownBy(() -> TransferFunctions.AES_XTS_OPENSSL.open(new byte[16]))
                .withMessage("aes-xts-openssl takes keys of 32 or 64 bytes, two of AES in one, not of 16");
    }

    @Test
    void theFasterOneIsOpenSslWhereTheProcessorsHaveNoWideAes() throws IOException {
        Path wide = Files.writeString(directory.resolve("wide"),
                "processor\t: 0\nflags\t\t: fpu aes avx512f avx512dq avx512bw avx512vl vaes\nbugs\t\t: vaes\n");
        Path narrow = Files.writeString(directory.resolve("narrow"),
                "processor\t: 0\nflags\t\t: fpu aes avx2 vaes\nbugs\t\t: avx512f avx512dq avx512bw avx512vl\n");
        assertThat(LibCrypto.hasWideAes(wide)).isTrue();
        assertThat(LibCrypto.hasWideAes(narrow)).isFalse();
        assertThat(LibCrypto.hasWideAes(directory.resolve("none"))).isFalse();
        try (Transfer xts = TransferFunctions.AES_XTS.open(key(32, 1))) {
            assertThat(xts).isInstanceOf(LibCrypto.pays() ? OpenSslXts.class : AesXts.class);
        }
    }

    /** Its initialiser fails as that of {@link Evp} does without the library. */
    private static final class NoLibrary {
        static {
            boolean _ = Evp.library("libcrypto.so.none").find("EVP_CIPHER_fetch").isPresent();
        }
    }

    /** Its initialiser fails as that of {@link Evp} does with a library that lacks a function. */
    private static final class NoFunction {
        static {
            MemorySegment _ = Evp.library(Evp.LIBRARY).findOrThrow("EVP_none");
        }
    }

    /** Its initialiser fails as that of {@link Evp} does with a library that has no XTS. */
    private static final class NoXts {
        static {
            fail();
        }

        private static void fail() {
            throw new IllegalStateException("it has no XTS-AES: error");
        }
    }

    @Test
    void whyTheLibraryCannotBeUsedIsSaid() {
        Module module = OpenSslXtsTest.class.getModule();
        assertThat(LibCrypto.refusalOf(NoLibrary.class, module)).isEqualTo("there is no libcrypto.so.3");
        assertThat(LibCrypto.refusalOf(NoFunction.class, module)).startsWith("libcrypto.so.3 lacks a function: ")
                .contains("EVP_none");
        assertThat(LibCrypto.refusalOf(NoXts.class, module)).isEqualTo("libcrypto.so.3: it has no XTS-AES: error");
        assertThat(LibCrypto.refusalOf(Evp.class, module)).isNull();
    }

    @Test
    void withoutNativeAccessTheJdkDoesItAndNothingIsPrinted() throws Exception {
        assertThat(told()).containsExactly("aes-xts with 256 bits", "aes-xts with 256 bits",
                "aes-xts-openssl cannot be used: this JVM has not been told to allow it native access, by "
                        + "--enable-native-access=ALL-UNNAMED");
        assertThat(told("--enable-native-access=ALL-UNNAMED", "--illegal-native-access=deny")).last()
                .isEqualTo("aes-xts of OpenSSL with 256 bits");
    }

    private static List<String> told(String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(options));
        command.addAll(List.of("-cp", JavaProcess.classPath(), OpenSslXtsTest.class.getName()));
        Process process = JavaProcess.start(command.toArray(String[]::new));
        List<String> lines = process.inputReader(StandardCharsets.UTF_8).lines().toList();
        assertThat(process.waitFor()).as(String.join("\n", lines)).isZero();
        return lines;
    }

    /** Says what each of the three is here. */
    public static void main(String[] arguments) {
        for (TransferFunction function : List.of(TransferFunctions.AES_XTS, TransferFunctions.AES_XTS_JAVA,
                TransferFunctions.AES_XTS_OPENSSL)) {
            try (Transfer transfer = function.open(key(64, 1))) {
                IO.println(transfer);
            } catch (UnsupportedOperationException e) {
                IO.println(Objects.requireNonNull(e.getMessage()));
            }
        }
    }

    @Test
    void whatIsClosedOrRefusedLeavesNoMemory() {
        use(2_000);
        long before = allocatedBytes();
        use(10_000);
        // A context of OpenSSL takes over 1 KiB, and there were 30,000.
        // The runtime compiler has some, too, while it is at work.
        Eventually.until("no more is given out than before", () -> allocatedBytes() - before < 4L << 20);
    }

    private static void use(int times) {
        byte[] key = key(64, 5);
        byte[] refused = new byte[64];
        MemorySegment data = MemorySegment.ofArray(new byte[512]);
        for (int i = 0; i < times; i++) {
            try (Transfer xts = TransferFunctions.AES_XTS_OPENSSL.open(key)) {
                xts.toFile(i, data, 0, data, 0, 512);
            }
            assertThatIllegalStateException().isThrownBy(() -> new OpenSslXts(refused, 512));
        }
    }

    /** What {@code malloc} has given out to this process. */
    @SuppressWarnings("restricted") // the platform's C library
    private static long allocatedBytes() {
        Linker linker = Linker.nativeLinker();
        try (Arena arena = Arena.ofConfined()) {
            MemoryLayout mallinfo2 = MemoryLayout.structLayout(MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG));
            MemorySegment info = (MemorySegment) linker
                    .downcallHandle(linker.defaultLookup().findOrThrow("mallinfo2"), FunctionDescriptor.of(mallinfo2))
                    .invoke((SegmentAllocator) arena);
            // uordblks and hblkhd
            return info.getAtIndex(ValueLayout.JAVA_LONG, 7) + info.getAtIndex(ValueLayout.JAVA_LONG, 4);
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
    }
}
