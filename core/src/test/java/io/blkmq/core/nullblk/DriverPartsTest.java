package io.blkmq.core.nullblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.testing.NoRescues;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The parts of the null block driver that other drivers use. */
@NoRescues
class DriverPartsTest {
    private static final long SECOND = 1_000_000_000;

    private static List<String> gather(long offset, int blockBytes, int... segments) {
        byte[] content = new byte[Arrays.stream(segments).sum()];
        for (int i = 0; i < content.length; i++) {
            content[i] = (byte) ('a' + i);
        }
        List<String> blocks = new ArrayList<>();
        BlockGather gather = new BlockGather(offset, content.length, blockBytes,
                (at, bytes, length) -> blocks.add(at + ":" + new String(bytes, 0, length, StandardCharsets.US_ASCII)));
        int from = 0;
        for (int length : segments) {
            gather.segment(MemorySegment.ofArray(content), from, length);
            from += length;
        }
        return blocks;
    }

    @Test
    void blocksAreGatheredFromPiecesOfAnyLength() {
        assertThat(gather(8, 4, 8)).containsExactly("8:abcd", "12:efgh");
        assertThat(gather(0, 4, 1, 2, 3, 1, 1)).containsExactly("0:abcd", "4:efgh");
    }

    @Test
    void aWriteMayBeginAndEndWithinABlock() {
        assertThat(gather(3, 4, 8)).containsExactly("3:a", "4:bcde", "8:fgh");
        assertThat(gather(5, 4, 1, 1)).containsExactly("5:ab");
        assertThat(gather(6, 4, 2)).containsExactly("6:ab");
    }

    @Test
    void aDeviceWithABandwidthIsDoneWithOneThingAfterTheOther() {
        Throttle throttle = new Throttle(1_000, 0);
        assertThat(throttle.nanosFor(500, 0)).isEqualTo(SECOND / 2);
        assertThat(throttle.nanosFor(500, SECOND / 4)).isEqualTo(SECOND * 3 / 4);
        assertThat(throttle.nanosFor(1_000, 10 * SECOND)).isEqualTo(SECOND);
        assertThatIllegalArgumentException().isThrownBy(() -> new Throttle(0, 0))
                .withMessageContaining("bytesPerSecond 0");
    }

    @Test
    void anInjectionOfADriverStrikesAsItsSeedSays() {
        Injection one = Injection.seeded(5).set(0.5, Long.MAX_VALUE);
        Injection same = Injection.seeded(5).set(0.5, Long.MAX_VALUE);
        for (int i = 0; i < 100; i++) {
            assertThat(one.strikes()).isEqualTo(same.strikes());
        }
        assertThat(one.struck()).isBetween(30L, 70L).isEqualTo(same.struck());
    }
}
