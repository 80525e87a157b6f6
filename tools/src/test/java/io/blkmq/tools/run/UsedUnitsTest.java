package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.testing.RandomSeed;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UsedUnitsTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000})
    void behavesLikeABitSet(int units) {
        long seed = RandomSeed.of(UsedUnitsTest.class);
        Random random = new Random(seed);
        UsedUnits used = new UsedUnits(units);
        BitSet model = new BitSet(units);
        for (int i = 0; i < 20_000; i++) {
            int unit = random.nextInt(units);
            if (random.nextInt(10) < 8) {
                long free = used.nextFree(unit);
                int expected = model.nextClearBit(unit);
                assertThat(free).isEqualTo(expected < units ? expected : -1);
                if (free >= 0) {
                    used.use(free);
                    model.set((int) free);
                }
            } else {
                used.free(unit);
                model.clear(unit);
            }
            assertThat(used.isFree(unit)).isEqualTo(!model.get(unit));
        }
    }

    @Test
    void aFullMapHasNothingFreeUntilItIsCleared() {
        UsedUnits used = new UsedUnits(5000);
        for (int i = 0; i < 5000; i++) {
            used.use(used.nextFree(0));
        }
        assertThat(used.nextFree(0)).isEqualTo(-1);
        used.clear();
        assertThat(used.nextFree(0)).isZero();
        assertThat(used.nextFree(4999)).isEqualTo(4999);
    }

    @Test
    void moreThanItHasRoomForIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new UsedUnits(UsedUnits.UNITS_MAX + 1))
                .withMessageContaining("2147483649 units: 1 to 2147483648");
    }
}
