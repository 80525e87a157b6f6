package io.blkmq.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.RandomSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IoBufferTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 511, 512, 4095, 4096, 4097, 65537, 1 << 20, (2 << 20) - 1, 2 << 20, 3 << 20})
    void aBufferHasTheSizeAskedForAndIsAligned(long bytes) {
        try (IoBuffer buffer = IoBuffer.allocate(bytes)) {
            assertThat(buffer.bytes()).isEqualTo(bytes);
            assertThat(buffer.memory().byteSize()).isEqualTo(bytes);
            assertThat(buffer.memory().address() % IoBuffer.ALIGNMENT_BYTES).isZero();
            assertThat(buffer.memory().isNative()).isTrue();
            buffer.memory().fill((byte) 1);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, (1L << 30) + 1, Long.MAX_VALUE})
    void anImpossibleSizeIsRefusedWithTheLimit(long bytes) {
        assertThatIllegalArgumentException().isThrownBy(() -> IoBuffer.allocate(bytes))
                .withMessage("buffer of %d bytes: 1 to 1073741824 are possible", bytes);
    }

    @Test
    void itsMemoryAndSlicesOfItAreKnownAsPooledAndOtherMemoryIsNot() {
        try (IoBuffer buffer = IoBuffer.allocate(8192); Arena arena = Arena.ofShared()) {
            assertThat(IoBuffer.owns(buffer.memory())).isTrue();
            assertThat(IoBuffer.owns(buffer.memory().asSlice(100, 5))).isTrue();
            assertThat(IoBuffer.owns(MemorySegment.ofBuffer(buffer.memory().asByteBuffer()))).isTrue();
            assertThat(IoBuffer.owns(arena.allocate(8192))).isFalse();
            assertThat(IoBuffer.owns(MemorySegment.ofArray(new byte[1]))).isFalse();
        }
    }

    @Test
    void whatIsClosedIsUsedAgain() {
        IoBuffer first = IoBuffer.allocate(10_000);
        long address = first.memory().address();
        first.close();
        first.close();
        try (IoBuffer again = IoBuffer.allocate(16_000); IoBuffer other = IoBuffer.allocate(16_000)) {
            assertThat(again.memory().address()).isEqualTo(address);
            assertThat(other.memory().address()).isNotEqualTo(address);
        }
    }

    @Test
    void itsSizeIsInUseUntilItIsClosedTheFirstTime() {
        long before = IoBuffer.usage().usedBytes();
        IoBuffer buffer = IoBuffer.allocate(100_000);
        IoBuffer other = IoBuffer.allocate(1);
        assertThat(IoBuffer.usage().usedBytes() - before).isEqualTo(131_072 + 4096);
        buffer.close();
        buffer.close();
        assertThat(IoBuffer.usage().usedBytes() - before).isEqualTo(4096);
        // Nobody unmaps it: what a mistake reads is of no use, but does no harm.
        assertThatCode(() -> buffer.memory().get(ValueLayout.JAVA_BYTE, 99_999)).doesNotThrowAnyException();
        other.close();
        assertThat(IoBuffer.usage().usedBytes()).isEqualTo(before);
        assertThat(IoBuffer.usage().limitBytes()).isPositive();
    }

    @Test
    void buffersInUseNeverOverlap() {
        long seed = RandomSeed.of(IoBufferTest.class);
        Random random = new Random(seed);
        List<IoBuffer> held = new ArrayList<>();
        for (int step = 0; step < 2000; step++) {
            if (random.nextBoolean() || held.isEmpty()) {
                IoBuffer buffer = IoBuffer.allocate(1 + random.nextInt(100_000));
                for (IoBuffer other : held) {
                    assertThat(buffer.memory().asOverlappingSlice(other.memory())).as("seed %d", seed).isEmpty();
                }
                held.add(buffer);
            } else {
                held.remove(random.nextInt(held.size())).close();
            }
        }
        held.forEach(IoBuffer::close);
    }

    @Test
    void everySlabIsObserved() throws Exception {
        List<MemorySegment> slabs = new ArrayList<>();
        try (Registration observation = IoBuffer.observeSlabs(slabs::add);
                IoBuffer small = IoBuffer.allocate(4096);
                IoBuffer large = IoBuffer.allocate(5 << 20)) {
            assertThat(observation).isNotNull();
            for (IoBuffer buffer : List.of(small, large)) {
                assertThat(slabs).anyMatch(slab -> slab.address() <= buffer.memory().address()
                        && buffer.memory().address() + buffer.bytes() <= slab.address() + slab.byteSize());
            }
        }
    }

    @Test
    void anObservationThatIsClosedTwiceEndsNoOther() throws Exception {
        List<MemorySegment> slabs = new ArrayList<>();
        BufferPool pool = new BufferPool(64 << 20);
        Consumer<MemorySegment> observer = slabs::add;
        Registration first = pool.observe(observer);
        Registration second = pool.observe(observer);
        first.close();
        first.close();
        pool.give(pool.take(4096));
        assertThat(slabs).hasSize(1);
        second.close();
    }

    @Test
    void anObserverThatFailsCostsNeitherTheMemoryNorOtherObservers() throws Exception {
        List<MemorySegment> slabs = new ArrayList<>();
        BufferPool pool = new BufferPool(64 << 20);
        try (Registration failing = pool.observe(slab -> {
            throw new IllegalStateException("on purpose");
        }); Registration second = pool.observe(slabs::add)) {
            pool.give(pool.take(4096));
            assertThat(slabs).hasSize(1);
            assertThat(failing).isNotEqualTo(second);
        }
    }

    /** Tells the limit of a process. */
    static final class Limit {
        private Limit() {}

        public static void main(String[] arguments) {
            System.out.println(IoBuffer.usage().limitBytes() == Runtime.getRuntime().maxMemory());
        }
    }

    @Test
    void aLimitThatIsNoNumberIsToldAndNotTaken() throws Exception {
        Process process = JavaProcess.start("-Dblkmq.memory.maxBytes=512m", "-cp", JavaProcess.classPath(),
                Limit.class.getName());
        assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .contains("-Dblkmq.memory.maxBytes=512m is no number of bytes").endsWith("true\n");
        assertThat(process.waitFor()).isZero();
    }
}
