package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockSealTest {
    private static final int BLOCK = 512;

    private final MemorySegment memory = Arena.ofAuto().allocate(4 * BLOCK);
    private final BlockSeal seal = new BlockSeal(memory);

    @Test
    void aSealedBlockIsWhole() {
        seal.seal(BLOCK, BLOCK, 8192, 77, 3);
        assertThat(seal.fault(BLOCK, BLOCK, 8192)).isNull();
        assertThat(seal.staleness(BLOCK, 77, 3)).isNull();
    }

    @Test
    void theHeaderIsAsDocumented() {
        seal.seal(BLOCK, BLOCK, 8192, 77, 3);
        ByteBuffer block = memory.asSlice(BLOCK, BLOCK).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        CRC32C crc = new CRC32C();
        crc.update(block.slice(8, BLOCK - 8));
        assertThat(block.getInt(0)).isEqualTo(0x716B_6C62);
        assertThat(block.getInt(4)).isEqualTo((int) crc.getValue());
        assertThat(block.getLong(8)).isEqualTo(8192);
        assertThat(block.getLong(16)).isEqualTo(77);
        assertThat(block.getInt(24)).isEqualTo(3);
        assertThat(block.getInt(28)).isEqualTo(BLOCK);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 8, 16, 24, 28, 32, 300, 511})
    void aFlippedBitAnywhereIsFound(int where) {
        seal.seal(0, BLOCK, 0, 77, 3);
        memory.set(ValueLayout.JAVA_BYTE, where, (byte) (memory.get(ValueLayout.JAVA_BYTE, where) ^ 1));
        assertThat(seal.fault(0, BLOCK, 0)).startsWith("expected ");
    }

    @Test
    void aWholeBlockInTheWrongPlaceIsFound() {
        seal.seal(0, BLOCK, 4096, 77, 3);
        assertThat(seal.fault(0, BLOCK, 8192))
                .isEqualTo("expected the block of offset 8192, found that of offset 4096");
    }

    @Test
    void aBlockOfAnEarlierWriteIsFound() {
        seal.seal(0, BLOCK, 4096, 77, 3);
        assertThat(seal.staleness(0, 77, 4)).isEqualTo("expected write 4 of seed 4d, found write 3 of seed 4d");
        assertThat(seal.staleness(0, 78, 3)).isNotNull();
    }

    @Test
    void contentDependsOnPlaceSeedAndSequence() {
        seal.seal(0, BLOCK, 0, 1, 1);
        seal.seal(BLOCK, BLOCK, 0, 1, 2);
        seal.seal(2 * BLOCK, BLOCK, 0, 2, 1);
        seal.seal(3 * BLOCK, BLOCK, 512, 1, 1);
        for (int i = 1; i < 4; i++) {
            assertThat(memory.asSlice(BlockSeal.HEADER_BYTES, 64)
                    .mismatch(memory.asSlice((long) i * BLOCK + BlockSeal.HEADER_BYTES, 64))).isNotEqualTo(-1);
        }
    }
}
