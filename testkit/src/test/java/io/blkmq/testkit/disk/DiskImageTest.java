package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images keep what they have, share it, and are told apart by their fingerprints. */
class DiskImageTest {
    private static final int SMALL = 37 * 512;

    @TempDir
    private Path folder;

    private static byte[] randomBytes(SplittableRandom random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    @Test
    void aTreeHoldsWhatAnArrayWouldWhateverIsWrittenCopiedAndZeroed() {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(DiskImageTest.class));
        for (int size : new int[]{512, SMALL, 1 << 17, (32 * 32 + 3) * 4096 + 512}) {
            BlockTree tree = BlockTree.zeroes(size);
            byte[] model = new byte[size];
            BlockTree kept = tree.copy();
            byte[] keptModel = model.clone();
            for (int step = 0; step < 300; step++) {
                int length = 1 + random.nextInt(Math.min(size, random.nextInt(10) == 0 ? size : 9000));
                int offset = random.nextInt(size - length + 1);
                switch (random.nextInt(8)) {
                    case 0 -> {
                        kept = tree.copy();
                        keptModel = model.clone();
                    }
                    case 1, 2 -> {
                        tree.zero(offset, length);
                        Arrays.fill(model, offset, offset + length, (byte) 0);
                    }
                    case 3 -> {
                        if (random.nextInt(8) == 0) {
                            tree.become(kept);
                            model = keptModel.clone();
                        }
                    }
                    default -> {
                        byte[] written = randomBytes(random, length);
                        tree.write(offset, written, 0, length);
                        System.arraycopy(written, 0, model, offset, length);
                    }
                }
                if (size <= SMALL || step % 16 == 0) {
                    assertThat(mismatch(tree, model)).as("step %s of size %s", step, size).isEqualTo(-1);
                    // Asked in between, so that what is known of it has to be forgotten with each change.
                    assertThat(tree.fingerprint()).isEqualTo(DiskImage.of(model).fingerprint());
                }
            }
            assertThat(mismatch(kept, keptModel)).as("the copy").isEqualTo(-1);
            assertThat(new DiskImage(tree).fingerprint()).isEqualTo(DiskImage.of(model).fingerprint());
            assertThat(new DiskImage(kept).fingerprint()).isEqualTo(DiskImage.of(keptModel).fingerprint());
        }
    }

    private static long mismatch(BlockTree tree, byte[] model) {
        MemorySegment content = MemorySegment.ofArray(new byte[model.length]);
        tree.read(0, content, 0, model.length);
        return content.mismatch(MemorySegment.ofArray(model));
    }

    @Test
    void anImageIsNotChangedByWhatIsWrittenLater() {
        DiskImage zeroes = DiskImage.zeroes(SMALL);
        DiskImage one = zeroes.with(511, new byte[]{1, 2, 3});
        DiskImage two = one.with(512, new byte[]{9});
        assertThat(zeroes.read(510, 5)).containsExactly(0, 0, 0, 0, 0);
        assertThat(one.read(510, 5)).containsExactly(0, 1, 2, 3, 0);
        assertThat(two.read(510, 5)).containsExactly(0, 1, 9, 3, 0);
        MemorySegment memory = MemorySegment.ofArray(new byte[2]);
        two.read(511, memory);
        assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 9);
    }

    @Test
    void theFingerprintGoesByContentAndSizeAndNotByTheWayThere() {
        SplittableRandom random = new SplittableRandom(RandomSeed.next(DiskImageTest.class));
        byte[] content = randomBytes(random, SMALL);
        DiskImage whole = DiskImage.of(content);
        DiskImage piecewise = DiskImage.zeroes(SMALL);
        for (int at = SMALL; at > 0; at -= 37) {
            assertThat(piecewise).isNotEqualTo(whole);
            piecewise.fingerprint();
            piecewise = piecewise.with(at - 37, Arrays.copyOfRange(content, at - 37, at));
        }
        assertThat(piecewise).isEqualTo(whole).hasSameHashCodeAs(whole).hasToString(whole.toString());
        assertThat(piecewise.with(0, new byte[SMALL])).isEqualTo(DiskImage.zeroes(SMALL));
        assertThat(DiskImage.zeroes(SMALL)).isNotEqualTo(DiskImage.zeroes(SMALL + 512));
        assertThat(whole.fingerprint().toString()).matches("[0-9a-f]{32}");
    }

    /** Each half alone tells all of them apart. */
    @Test
    void imagesThatDifferInAByteInItsPlaceOrByAnExchangeHaveOtherFingerprints() {
        Map<Long, String> highs = new HashMap<>();
        Map<Long, String> lows = new HashMap<>();
        byte[] sector = randomBytes(new SplittableRandom(RandomSeed.next(DiskImageTest.class)), 512);
        DiskImage base = DiskImage.zeroes(64 * 512);
        Set<DiskImage> images = new HashSet<>();
        for (int place = 0; place < 64; place++) {
            images.add(base.with(place * 512L, sector));
            for (int bit = 0; bit < 4096; bit += 61) {
                byte[] changed = sector.clone();
                changed[bit / 8] ^= (byte) (1 << bit % 8);
                images.add(base.with(place * 512L, changed));
            }
            images.add(base.with(place * 512L, new byte[]{1}));
        }
        for (DiskImage image : images) {
            ImageFingerprint print = image.fingerprint();
            assertThat(highs.put(print.high(), image.toString())).isNull();
            assertThat(lows.put(print.low(), image.toString())).isNull();
        }
        assertThat(images).hasSize(64 * 70);
    }

    @Test
    void anImageIsSavedAsItIsAndLoadedAgain() throws IOException {
        SplittableRandom random = new SplittableRandom(RandomSeed.next(DiskImageTest.class));
        Path file = folder.resolve("disk.img");
        DiskImage image = DiskImage.zeroes(64L << 20).with(50_000_001, randomBytes(random, 10_000));
        image.save(file);
        assertThat(file).hasSize(64L << 20);
        assertThat(DiskImage.load(file)).isEqualTo(image);

        byte[] content = randomBytes(random, SMALL);
        Arrays.fill(content, 4096, 8192, (byte) 0);
        DiskImage.of(content).save(file);
        assertThat(file).hasBinaryContent(content);
        assertThat(DiskImage.load(file)).isEqualTo(DiskImage.of(content));
    }

    @Test
    void impossibleSizesRangesAndFilesAreRefusedWithTheirValues() throws IOException {
        assertThatIllegalArgumentException().isThrownBy(() -> DiskImage.zeroes(0)).withMessageContaining("0 bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> DiskImage.zeroes(513)).withMessageContaining("513 bytes")
                .withMessageContaining("multiple of 512");
        assertThatIllegalArgumentException().isThrownBy(() -> DiskImage.zeroes(DiskImage.BYTES_MAX + 512))
                .withMessageContaining(String.valueOf(DiskImage.BYTES_MAX));
        DiskImage image = DiskImage.zeroes(1024);
        assertThatThrownBy(() -> image.read(1000, 25)).isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("25 bytes at offset 1000: the image has 1024 bytes");
        assertThatThrownBy(() -> image.read(-1, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> image.with(1024, new byte[1])).isInstanceOf(IndexOutOfBoundsException.class);
        Path odd = Files.write(folder.resolve("odd"), new byte[700]);
        assertThatIllegalArgumentException().isThrownBy(() -> DiskImage.load(odd)).withMessageContaining("odd")
                .withMessageContaining("700 bytes");
        assertThatThrownBy(() -> DiskImage.load(folder.resolve("none"))).isInstanceOf(NoSuchFileException.class);
    }
}
