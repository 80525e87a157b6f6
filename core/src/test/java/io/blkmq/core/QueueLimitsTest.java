package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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
            "writeZeroesBytesMax, -512", "writeZeroesBytesMax, 513"})
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
                .writeCache(true, true).readOnly(true).anyMemory(true).build();
        assertThat(limits.toBuilder().build()).usingRecursiveComparison().isEqualTo(limits);
    }
}
