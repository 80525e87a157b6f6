package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class OffsetSourceTest {
    private static final int UNIT = 4096;
    private static final long BASE = 1 << 20;
    private static final long UNITS = 1000;

    private static List<Long> pass(OffsetSource source, int wanted) {
        List<Long> offsets = new ArrayList<>();
        while (source.next(wanted)) {
            for (int i = 0; i < source.lengthBytes / UNIT; i++) {
                offsets.add(source.offsetBytes + (long) i * UNIT);
            }
        }
        return offsets;
    }

    @Test
    void aMapUsesEachBlockOnceInAPass() {
        OffsetSource source = new MappedOffsets(BASE, UNIT, UNITS, new XorShift(1));
        List<Long> first = pass(source, UNIT);
        assertThat(first).hasSize((int) UNITS).doesNotHaveDuplicates().isNotEqualTo(first.stream().sorted().toList());
        assertThat(first).allMatch(offset -> offset >= BASE && offset < BASE + UNITS * UNIT);
        source.restart();
        List<Long> second = pass(source, UNIT);
        assertThat(second).containsExactlyInAnyOrderElementsOf(first).isNotEqualTo(first);
    }

    @Test
    void aMapUsesEachBlockOnceAlsoWithLongerOperations() {
        OffsetSource source = new MappedOffsets(BASE, UNIT, UNITS, new XorShift(1));
        assertThat(pass(source, 7 * UNIT)).hasSize((int) UNITS).doesNotHaveDuplicates();
    }

    @Test
    void theSameSeedGivesTheSamePlaces() {
        assertThat(pass(new MappedOffsets(BASE, UNIT, UNITS, new XorShift(5)), UNIT))
                .isEqualTo(pass(new MappedOffsets(BASE, UNIT, UNITS, new XorShift(5)), UNIT))
                .isNotEqualTo(pass(new MappedOffsets(BASE, UNIT, UNITS, new XorShift(6)), UNIT));
    }

    @Test
    void randomPlacesStayWithinThePartAndReachAllOfIt() {
        OffsetSource source = new RandomOffsets(BASE, UNIT, UNITS, new XorShift(3));
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < 20_000; i++) {
            assertThat(source.next(3 * UNIT)).isTrue();
            assertThat(source.lengthBytes).isEqualTo(3 * UNIT);
            assertThat(source.offsetBytes).isBetween(BASE, BASE + (UNITS - 3) * UNIT);
            assertThat((source.offsetBytes - BASE) % UNIT).isZero();
            seen.add(source.offsetBytes);
        }
        assertThat(seen).contains(BASE, BASE + (UNITS - 3) * UNIT);
    }

    @Test
    void anOperationLongerThanThePartIsCut() {
        OffsetSource source = new RandomOffsets(BASE, UNIT, 2, new XorShift(3));
        assertThat(source.next(8 * UNIT)).isTrue();
        assertThat(source.offsetBytes).isEqualTo(BASE);
        assertThat(source.lengthBytes).isEqualTo(2 * UNIT);
    }

    @Test
    void inOrderMeansOneAfterTheOtherAndTheLastIsCut() {
        OffsetSource source = new SequentialOffsets(BASE, UNIT, 5, 0);
        assertThat(pass(source, 2 * UNIT)).containsExactly(BASE, BASE + UNIT, BASE + 2 * UNIT, BASE + 3 * UNIT,
                BASE + 4 * UNIT);
        assertThat(source.lengthBytes).isEqualTo(UNIT);
        assertThat(source.next(UNIT)).isFalse();
        source.restart();
        assertThat(source.next(UNIT)).isTrue();
        assertThat(source.offsetBytes).isEqualTo(BASE);
    }
}
