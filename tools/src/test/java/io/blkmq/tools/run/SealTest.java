package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.tools.job.VerifyMethod;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SealTest {
    private static final int BLOCK = 512;
    private static final int HEADER_BYTES = 44;

    private final MemorySegment memory = Arena.ofAuto().allocate(4 * BLOCK);
    private final Seal seal = seal(VerifyMethod.CRC32C);

    private Seal seal(VerifyMethod method) {
        return new Seal(memory, method, null, 1);
    }

    private void flip(long where) {
        memory.set(ValueLayout.JAVA_BYTE, where, (byte) (memory.get(ValueLayout.JAVA_BYTE, where) ^ 1));
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"NONE", "PATTERN"})
    void aSealedBlockIsWhole(VerifyMethod method) {
        Seal any = seal(method);
        any.seal(BLOCK, BLOCK, 8192, 77, 3);
        assertThat(any.fault(BLOCK, BLOCK, 8192)).isNull();
        assertThat(any.staleness(BLOCK, 77)).isNull();
    }

    @Test
    void theHeaderIsFios() {
        seal.seal(BLOCK, BLOCK, 8192, 77, 3);
        ByteBuffer block = memory.asSlice(BLOCK, BLOCK).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        assertThat(Short.toUnsignedInt(block.getShort(0))).isEqualTo(0xacca);
        assertThat(block.getShort(2)).isEqualTo((short) 5);
        assertThat(block.getInt(4)).isEqualTo(BLOCK);
        assertThat(block.getLong(8)).isEqualTo(77);
        assertThat(block.getLong(16)).isEqualTo(8192);
        assertThat(block.getShort(32)).isEqualTo((short) 1);
        assertThat(block.getShort(34)).isEqualTo((short) 3);
        CRC32C crc = new CRC32C();
        crc.update(block.slice(0, 36));
        assertThat(block.getInt(36)).isEqualTo((int) ~crc.getValue());
        crc.reset();
        crc.update(block.slice(HEADER_BYTES, BLOCK - HEADER_BYTES));
        assertThat(block.getInt(40)).isEqualTo((int) ~crc.getValue());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2, 4, 8, 16, 24, 28, 32, 34, 36, 40, 300, 511})
    void aFlippedBitAnywhereIsFound(int where) {
        seal.seal(0, BLOCK, 0, 77, 3);
        flip(where);
        assertThat(seal.fault(0, BLOCK, 0)).startsWith("expected ");
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"NONE", "PATTERN", "META"})
    void aFlippedBitOfTheDataIsFoundByEveryChecksum(VerifyMethod method) {
        Seal any = seal(method);
        any.seal(0, BLOCK, 0, 77, 3);
        flip(300);
        assertThat(any.fault(0, BLOCK, 0)).startsWith("expected checksum ").contains("of the data, found ");
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"NONE", "PATTERN"})
    void aWholeBlockInTheWrongPlaceAndAZeroedOneAreFound(VerifyMethod method) {
        Seal any = seal(method);
        any.seal(0, BLOCK, 4096, 77, 3);
        assertThat(any.fault(0, BLOCK, 8192)).isEqualTo("expected the block of offset 8192, found that of offset 4096");
        memory.asSlice(0, BLOCK).fill((byte) 0);
        assertThat(any.fault(0, BLOCK, 4096)).isEqualTo("expected magic 0xacca, found 0x0000");
    }

    @Test
    void aBlockOfAnotherMethodIsFound() {
        seal.seal(0, BLOCK, 0, 77, 3);
        assertThat(seal(VerifyMethod.MD5).fault(0, BLOCK, 0)).isEqualTo("expected method 2, found 5");
    }

    @Test
    void aBlockOfAnEarlierWriteIsFound() {
        seal.seal(0, BLOCK, 4096, 77, 3);
        assertThat(seal.staleness(0, 78)).contains("seed 4e", "seed 4d", "an older write");
    }

    @Test
    void contentDependsOnPlaceAndSeed() {
        seal.seal(0, BLOCK, 0, 1, 1);
        seal.seal(BLOCK, BLOCK, 0, 2, 1);
        seal.seal(2 * BLOCK, BLOCK, 512, 1, 1);
        for (int i = 1; i < 3; i++) {
            assertThat(memory.asSlice(HEADER_BYTES, 64).mismatch(memory.asSlice((long) i * BLOCK + HEADER_BYTES, 64)))
                    .isNotEqualTo(-1);
        }
    }
}
