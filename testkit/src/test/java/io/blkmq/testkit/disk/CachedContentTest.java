package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What a device with a cache holds, beside a list of all that was ever done. */
class CachedContentTest {
    private static final int SECTORS = 12;
    private static final int BYTES = SECTORS * 512;

    /** All that was done, each piece with whether it is durable. */
    private static final class Model {
        private final List<VolatilePiece> pieces = new ArrayList<>();
        private final Set<VolatilePiece> durable = new HashSet<>();

        DiskImage with(Set<VolatilePiece> survivors) {
            BlockTree tree = BlockTree.zeroes(BYTES);
            for (VolatilePiece piece : pieces) {
                if (durable.contains(piece) || survivors.contains(piece)) {
                    piece.applyTo(tree);
                }
            }
            return new DiskImage(tree);
        }
    }

    private long count;

    private VolatilePiece piece(SplittableRandom random) {
        int sectors = 1 + random.nextInt(4);
        long offset = random.nextInt(SECTORS - sectors + 1) * 512L;
        byte[] data = random.nextInt(5) == 0 ? null : new byte[sectors * 512];
        count++;
        if (data != null) {
            Arrays.fill(data, (byte) (1 + count % 127));
        }
        return new VolatilePiece(count, 0, offset, sectors * 512L, data);
    }

    @Test
    void whatSurvivesIsWhatWasDurableAndWhatWasChosenInTheOrderOfTakingEffect() {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(CachedContentTest.class));
        for (int program = 0; program < 300; program++) {
            CachedContent content = new CachedContent(DiskImage.zeroes(BYTES));
            Model model = new Model();
            long mark = 0;
            Set<VolatilePiece> covered = Set.of();
            for (int step = 0; step < 40; step++) {
                switch (random.nextInt(8)) {
                    case 0 -> {
                        mark = content.mark();
                        covered = new HashSet<>(model.pieces);
                    }
                    case 1 -> {
                        content.flush(mark);
                        model.durable.addAll(covered);
                    }
                    case 2, 3 -> {
                        VolatilePiece piece = piece(random);
                        content.writeThrough(piece);
                        model.pieces.add(piece);
                        model.durable.add(piece);
                    }
                    default -> {
                        VolatilePiece piece = piece(random);
                        content.write(piece);
                        model.pieces.add(piece);
                    }
                }
                check(content, model, random);
            }
        }
    }

    private static void check(CachedContent content, Model model, SplittableRandom random) {
        List<VolatilePiece> pending = content.pending();
        assertThat(model.pieces.stream().filter(piece -> !model.durable.contains(piece)))
                .containsExactlyElementsOf(pending);
        assertThat(content.pendingBytes()).isEqualTo(pending.stream().mapToLong(VolatilePiece::bytes).sum());
        assertThat(content.snapshot()).isEqualTo(model.with(new HashSet<>(pending)));
        Set<VolatilePiece> survivors = new HashSet<>(pending);
        survivors.removeIf(_ -> random.nextBoolean());
        assertThat(content.surviving(survivors::contains, List.of())).isEqualTo(model.with(survivors));
    }

    @Test
    void theOlderHalfGoesWhenTheCacheIsFull() {
        CachedContent content = new CachedContent(DiskImage.zeroes(BYTES));
        for (int i = 0; i < 5; i++) {
            content.write(new VolatilePiece(i, 0, i * 512L, 512, new byte[512]));
        }
        content.writeBack();
        assertThat(content.pending()).extracting(VolatilePiece::request).containsExactly(3L, 4L);
        assertThat(content.isDurable(0, 3 * 512)).isTrue();
        assertThat(content.isDurable(0, 3 * 512 + 1)).isFalse();
    }
}
