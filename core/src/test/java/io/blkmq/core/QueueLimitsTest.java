package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.testing.NoRescues;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@NoRescues
class QueueLimitsTest {
    @Test
    void theDefaultsAreThoseOfALoopDevice() {
        QueueLimits limits = QueueLimits.builder().build();
        assertThat(limits.logicalBlockBytes()).isEqualTo(512);
        assertThat(limits.physicalBlockBytes()).isEqualTo(512);
        assertThat(limits.requestBytesMax()).isEqualTo(1280 << 10);
        assertThat(limits.segmentsMax()).isEqualTo(128);
        assertThat(limits.segmentBytesMax()).isEqualTo(64 << 10);
        assertThat(limits.discardBytesMax()).isZero();
        assertThat(limits.hasWriteCache()).isFalse();
        assertThat(limits.isReadOnly()).isFalse();
    }

    private static QueueLimits.Builder with(String name, long value) {
        QueueLimits.Builder builder = QueueLimits.builder();
        return switch (name) {
            case "logicalBlockBytes" -> builder.logicalBlockBytes((int) value);
            case "physicalBlockBytes" -> builder.physicalBlockBytes((int) value);
            case "requestBytesMax" -> builder.requestBytesMax(value);
            case "segmentsMax" -> builder.segmentsMax((int) value);
            case "segmentBytesMax" -> builder.segmentBytesMax(value);
            case "dmaAlignmentBytes" -> builder.dmaAlignmentBytes((int) value);
            case "discardBytesMax" -> builder.discardBytesMax(value);
            case "discardGranularityBytes" -> builder.discardGranularityBytes((int) value);
            case "writeZeroesBytesMax" -> builder.writeZeroesBytesMax(value);
            case "segmentBoundaryBytes" -> builder.segmentBoundaryBytes(value);
            case "virtualBoundaryBytes" -> builder.virtualBoundaryBytes((int) value);
            case "chunkBytes" -> builder.chunkBytes(value);
            case "discardAlignmentBytes" -> builder.discardAlignmentBytes((int) value);
            case "discardRangesMax" -> builder.discardRangesMax((int) value);
            case "ioMinBytes" -> builder.ioMinBytes((int) value);
            case "ioOptBytes" -> builder.ioOptBytes((int) value);
            case "alignmentOffsetBytes" -> builder.alignmentOffsetBytes((int) value);
            default -> throw new AssertionError(name);
        };
    }

    @ParameterizedTest
    @CsvSource({"logicalBlockBytes, 0", "logicalBlockBytes, -512", "logicalBlockBytes, 256", "logicalBlockBytes, 513",
            "logicalBlockBytes, 131072", "physicalBlockBytes, 256", "physicalBlockBytes, 1000", "requestBytesMax, 0",
            "requestBytesMax, 511", "requestBytesMax, 1025", "requestBytesMax, 2147483648", "segmentsMax, 0",
            "segmentsMax, 65536", "segmentBytesMax, 0", "segmentBytesMax, 700", "segmentBytesMax, 2147483648",
            "dmaAlignmentBytes, 0", "dmaAlignmentBytes, 3", "dmaAlignmentBytes, 8192", "discardBytesMax, -512",
            "discardBytesMax, 100", "discardGranularityBytes, -1", "discardGranularityBytes, 1000",
            "writeZeroesBytesMax, -512", "writeZeroesBytesMax, 513", "segmentBoundaryBytes, -1",
            "segmentBoundaryBytes, 2048", "segmentBoundaryBytes, 12288", "virtualBoundaryBytes, 256",
            "virtualBoundaryBytes, 1536", "virtualBoundaryBytes, 131072", "chunkBytes, -512", "chunkBytes, 700",
            "discardAlignmentBytes, -512", "discardAlignmentBytes, 512", "discardRangesMax, 0",
            "discardRangesMax, 65536", "ioMinBytes, -512", "ioMinBytes, 700", "ioOptBytes, -512", "ioOptBytes, 513",
            "alignmentOffsetBytes, -512", "alignmentOffsetBytes, 512"})
    void aValueThatIsImpossibleIsRefusedByNameAndValue(String name, long value) {
        assertThatIllegalArgumentException().isThrownBy(() -> with(name, value).build())
                .withMessageStartingWith(name + " " + value + ": must be ");
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536})
    void everyPowerOfTwoUpTo64KiBIsABlockSize(int bytes) {
        QueueLimits limits = QueueLimits.builder().logicalBlockBytes(bytes).build();
        assertThat(limits.logicalBlockBytes()).isEqualTo(bytes);
        assertThat(limits.physicalBlockBytes()).isEqualTo(bytes);
        assertThat(limits.discardGranularityBytes()).isEqualTo(bytes);
    }

    @Test
    void fuaNeedsAWriteCache() {
        assertThatIllegalArgumentException().isThrownBy(() -> QueueLimits.builder().writeCache(false, true).build())
                .withMessageContaining("fua without writeCache");
    }

    @Test
    void aCopyIsEqualInEveryLimit() {
        QueueLimits limits = QueueLimits.builder().logicalBlockBytes(4096).physicalBlockBytes(8192)
                .requestBytesMax(1 << 20).segmentsMax(7).segmentBytesMax(8192).dmaAlignmentBytes(512)
                .discardBytesMax(1 << 20).discardGranularityBytes(65536).writeZeroesBytesMax(1 << 21)
                .writeCache(true, true).readOnly(true).anyMemory(true).chunkBytes(1 << 18).discardAlignmentBytes(8192)
                .discardRangesMax(9).ioMinBytes(16384).ioOptBytes(1 << 20).alignmentOffsetBytes(4096).rotational(true)
                .build();
        assertThat(limits.toBuilder().build()).usingRecursiveComparison().isEqualTo(limits);
        QueueLimits bounded = QueueLimits.builder().segmentBoundaryBytes(1 << 16).virtualBoundaryBytes(4096).build();
        assertThat(bounded.toBuilder().build()).usingRecursiveComparison().isEqualTo(bounded);
    }

    private static void assertContradiction(QueueLimits.Builder builder, String... named) {
        assertThatIllegalArgumentException().isThrownBy(builder::build).withMessageContainingAll(named);
    }

    @Test
    void limitsThatContradictEachOtherAreNamedWithBothValues() {
        assertContradiction(QueueLimits.builder().discardBytesMax(8192).discardGranularityBytes(65536),
                "discardBytesMax 8192", "discardGranularityBytes 65536");
        assertContradiction(QueueLimits.builder().segmentBytesMax(2048).virtualBoundaryBytes(4096),
                "virtualBoundaryBytes 4096", "2048");
        assertContradiction(QueueLimits.builder().segmentBoundaryBytes(4096).virtualBoundaryBytes(8192),
                "virtualBoundaryBytes 8192", "segmentBoundaryBytes, 4096");
        assertContradiction(QueueLimits.builder().logicalBlockBytes(65536).segmentBoundaryBytes(4096),
                "segmentBoundaryBytes 4096", "65536");
        assertContradiction(QueueLimits.builder().segmentBoundaryBytes(4096).anyMemory(true), "anyMemory",
                "segmentBoundaryBytes 4096");
        assertContradiction(QueueLimits.builder().logicalBlockBytes(4096).chunkBytes(6144), "chunkBytes 6144",
                "logicalBlockBytes 4096");
        assertContradiction(QueueLimits.builder().physicalBlockBytes(4096).ioMinBytes(6144), "ioMinBytes 6144",
                "physicalBlockBytes 4096");
        assertContradiction(QueueLimits.builder().physicalBlockBytes(4096).alignmentOffsetBytes(4096),
                "alignmentOffsetBytes 4096", "4096");
        assertContradiction(QueueLimits.builder().segmentBoundaryBytes(4096).requestBytesMax(1 << 30),
                "requestBytesMax 1073741824", "536870912");
    }

    @Test
    void segmentsAreCutWhereNoBoundaryIsInTheWay() {
        assertThat(
                QueueLimits.builder().segmentBytesMax(48 << 10).segmentBoundaryBytes(1 << 16).build().segmentBytesMax())
                .isEqualTo(32 << 10);
        assertThat(QueueLimits.builder().segmentBytesMax(10 << 10).virtualBoundaryBytes(4096).build().segmentBytesMax())
                .isEqualTo(8 << 10);
        assertThat(QueueLimits.builder().segmentBoundaryBytes(4096).build().segmentBytesMax()).isEqualTo(4096);
    }

    @Test
    void aDeviceOnOneOtherTakesOverItsLimits() {
        QueueLimits bottom = QueueLimits.builder().logicalBlockBytes(4096).physicalBlockBytes(8192)
                .requestBytesMax(1 << 20).segmentsMax(7).segmentBytesMax(8192).dmaAlignmentBytes(512)
                .discardBytesMax(1 << 20).discardGranularityBytes(65536).discardAlignmentBytes(8192).discardRangesMax(3)
                .writeZeroesBytesMax(1 << 21).chunkBytes(1 << 18).ioMinBytes(16384).ioOptBytes(1 << 20)
                .alignmentOffsetBytes(4096).writeCache(true, true).rotational(true).readOnly(true).build();
        QueueLimits top = QueueLimits.unlimited().stack(bottom, 0);
        assertThat(top).usingRecursiveComparison().isEqualTo(bottom);
        assertThat(top.isMisaligned()).isFalse();
        QueueLimits bounded = QueueLimits.builder().segmentBoundaryBytes(1 << 16).virtualBoundaryBytes(4096).build();
        assertThat(QueueLimits.unlimited().stack(bounded, 1 << 20)).usingRecursiveComparison()
                .ignoringFields("discardGranularityBytes").isEqualTo(bounded);
    }

    @Test
    void ofEachLimitTheStricterIsTaken() {
        QueueLimits one = QueueLimits.builder().requestBytesMax(1 << 20).segmentsMax(64).segmentBytesMax(1 << 16)
                .discardBytesMax(1 << 20).discardRangesMax(4).writeZeroesBytesMax(0).dmaAlignmentBytes(4)
                .writeCache(true, true).chunkBytes(96 << 10).ioOptBytes(64 << 10).segmentBoundaryBytes(1L << 32)
                .build();
        QueueLimits other = QueueLimits.builder().logicalBlockBytes(4096).requestBytesMax(1 << 19).segmentsMax(128)
                .segmentBytesMax(1 << 15).discardBytesMax(1 << 19).discardRangesMax(8).writeZeroesBytesMax(1 << 20)
                .dmaAlignmentBytes(512).writeCache(true, false).chunkBytes(64 << 10).ioOptBytes(96 << 10)
                .virtualBoundaryBytes(4096).rotational(true).build();
        QueueLimits both = QueueLimits.unlimited().stack(one, 0).stack(other, 0);
        assertThat(both.logicalBlockBytes()).isEqualTo(4096);
        assertThat(both.requestBytesMax()).isEqualTo(1 << 19);
        assertThat(both.segmentsMax()).isEqualTo(64);
        assertThat(both.segmentBytesMax()).isEqualTo(1 << 15);
        assertThat(both.segmentBoundaryBytes()).isEqualTo(1L << 32);
        assertThat(both.virtualBoundaryBytes()).isEqualTo(4096);
        assertThat(both.discardBytesMax()).isEqualTo(1 << 19);
        assertThat(both.discardRangesMax()).isEqualTo(4);
        assertThat(both.writeZeroesBytesMax()).as("one of them has none").isZero();
        assertThat(both.dmaAlignmentBytes()).isEqualTo(512);
        assertThat(both.chunkBytes()).isEqualTo(32 << 10);
        assertThat(both.ioOptBytes()).isEqualTo(192 << 10);
        assertThat(both.hasWriteCache()).isTrue();
        assertThat(both.hasFua()).as("one of them has a cache without FUA").isFalse();
        assertThat(both.isRotational()).isTrue();
        assertThat(both.takesAnyMemory()).isFalse();
        assertThat(both.isMisaligned()).isFalse();
    }

    @Test
    void aDeviceWithoutAWriteCacheDoesNotTakeFuaAwayFromAnother() {
        QueueLimits through = QueueLimits.builder().writeCache(true, true).build();
        QueueLimits none = QueueLimits.builder().build();
        assertThat(QueueLimits.unlimited().stack(through, 0).stack(none, 0).hasFua()).isTrue();
        assertThat(none.stack(through, 0).hasFua()).isTrue();
        assertThat(QueueLimits.unlimited().stack(none, 0).hasFua()).isFalse();
    }

    @Test
    void whereThePhysicalBlocksBeginDependsOnTheOffset() {
        QueueLimits disk = QueueLimits.builder().physicalBlockBytes(4096).discardBytesMax(1 << 20)
                .discardGranularityBytes(8192).build();
        QueueLimits part = QueueLimits.unlimited().stack(disk, 63 * 512);
        assertThat(part.alignmentOffsetBytes()).isEqualTo(512);
        assertThat(part.discardAlignmentBytes()).isEqualTo(512);
        assertThat(QueueLimits.unlimited().stack(disk, 1 << 20).alignmentOffsetBytes()).isZero();
    }

    @Test
    void blocksThatDoNotFitTogetherAreReported() {
        QueueLimits disk = QueueLimits.builder().physicalBlockBytes(4096).build();
        QueueLimits shifted = QueueLimits.unlimited().stack(disk, 0).stack(disk, 512);
        assertThat(shifted.isMisaligned()).isTrue();
        assertThat(shifted.misalignment()).contains("4096", "3584", "512");
        assertThat(shifted.toString()).contains("misaligned: ");
        QueueLimits again = QueueLimits.unlimited().stack(shifted, 0);
        assertThat(again.misalignment()).as("who stands on it is misaligned too").isEqualTo(shifted.misalignment());
        QueueLimits chunks = QueueLimits.builder().chunkBytes(65536).build();
        assertThat(QueueLimits.unlimited().stack(chunks, 4096).misalignment()).contains("4096", "65536");
        QueueLimits large = QueueLimits.builder().logicalBlockBytes(4096).build();
        assertThat(QueueLimits.unlimited().stack(large, 512).misalignment()).contains("3584", "4096");
    }

    @Test
    void twoThatCannotReachTheVirtualBoundaryTogetherHaveOneSegment() {
        QueueLimits short512 = QueueLimits.builder().segmentBytesMax(512).build();
        QueueLimits virtual = QueueLimits.builder().virtualBoundaryBytes(4096).build();
        QueueLimits both = short512.stack(virtual, 0);
        assertThat(both.segmentsMax()).isOne();
        assertThat(both.virtualBoundaryBytes()).isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {-512, 100, -1})
    void anOffsetThatIsNoSectorIsRefused(long offset) {
        QueueLimits limits = QueueLimits.builder().build();
        assertThatIllegalArgumentException().isThrownBy(() -> limits.stack(limits, offset))
                .withMessageContaining("offsetBytes " + offset);
    }

    @Test
    void limitsInWords() {
        assertThat(QueueLimits.builder().build()).hasToString("blocks of 512 B, requests up to 1280 KiB in 128 segments"
                + " up to 64 KiB, memory aligned to 1 B, no discard, no write zeroes, no write cache");
        assertThat(QueueLimits.builder().physicalBlockBytes(4096).alignmentOffsetBytes(512).chunkBytes(1 << 20)
                .segmentBoundaryBytes(1L << 32).discardBytesMax(1L << 40).discardGranularityBytes(4096)
                .discardRangesMax(2).writeCache(true, true).rotational(true).readOnly(true).ioOptBytes(65536).build())
                .hasToString("blocks of 512 B (physical 4 KiB from byte 512), requests up to 1280 KiB in 128 segments"
                        + " up to 64 KiB, segment boundary 4 GiB, chunks of 1 MiB, memory aligned to 1 B,"
                        + " discards up to 1 TiB in units of 4 KiB, 2 ranges, no write zeroes,"
                        + " I/O of at least 4 KiB, best 64 KiB, write cache with FUA, rotational, read-only");
        assertThat(QueueLimits.unlimited().toString()).contains("discards up to any length");
    }

    @Test
    void limitsAreThoseOfOthersIfEachIs() {
        QueueLimits one = QueueLimits.builder().build();
        assertThat(one.areThoseOf(one.toBuilder().build())).isTrue();
        assertThat(one.areThoseOf(one.toBuilder().chunkBytes(65536).build())).isFalse();
        assertThat(one.areThoseOf(one.toBuilder().ioOptBytes(65536).build())).isFalse();
        assertThat(one.values()).as("all fields").hasSize((int) Arrays.stream(QueueLimits.class.getDeclaredFields())
                .filter(field -> !Modifier.isStatic(field.getModifiers())).count());
    }
}
