package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The table of registered memory, over a ring that keeps account of it and pins nothing. */
class MemoryTableTest {

    private static final long GIB = 1L << 30;

    private static final class AccountingRing extends Uring {
        final TreeMap<Integer, Long> bytesByPlace = new TreeMap<>();
        int placesLeft = Integer.MAX_VALUE;

        AccountingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int updateMemory(int place, long address, long bytes) {
            if (bytes == 0) {
                assertThat(bytesByPlace.remove(place)).as("place " + place + " was in use").isNotNull();
                return 0;
            }
            if (placesLeft-- <= 0) {
                return -Errno.ENOMEM;
            }
            assertThat(bytesByPlace.put(place, bytes)).as("place " + place + " was free").isNull();
            return 0;
        }
    }

    private final Arena arena = Arena.ofShared();
    private AccountingRing ring;
    private MemoryTable table;

    @SuppressWarnings("NullAway.Init")
    MemoryTableTest() {}

    @BeforeEach
    void open() throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "no io_uring");
        List<AccountingRing> made = new ArrayList<>();
        Uring.open(2, new int[]{0}, (fd, params) -> {
            made.add(new AccountingRing(fd, params));
            return made.getFirst();
        });
        ring = made.getFirst();
        table = new MemoryTable(ring);
    }

    @AfterEach
    void close() {
        if (ring != null) {
            ring.close();
        }
        arena.close();
    }

    /** So many bytes that nobody has, and nobody touches. */
    @SuppressWarnings("restricted")
    private MemorySegment slab(long address, long bytes) {
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
    }

    private int find(MemorySegment slab, long offset, long bytes) {
        return table.find(slab, slab.address() + offset, bytes);
    }

    @Test
    void slabOfSeveralGibibytesTakesAPlaceForEach() {
        MemorySegment slab = slab(1L << 40, 2 * GIB + 4096);
        assertThat(table.add(slab)).isTrue();
        assertThat(ring.bytesByPlace.values()).containsExactly(GIB, GIB, 4096L);
        assertThat(find(slab, 0, 4096)).isZero();
        assertThat(find(slab, GIB, GIB)).isEqualTo(1);
        assertThat(find(slab, 2 * GIB, 4096)).isEqualTo(2);
        assertThat(find(slab, GIB - 512, 1024)).as("across two places").isEqualTo(-1);
        assertThat(find(slab, 2 * GIB, 4097)).as("past the end").isEqualTo(-1);
        assertThat(table.find(slab(1L << 41, 4096), 1L << 41, 4096)).as("elsewhere").isEqualTo(-1);
        assertThat(table.remove(slab)).isTrue();
        assertThat(ring.bytesByPlace).isEmpty();
        assertThat(find(slab, 0, 4096)).isEqualTo(-1);
        assertThat(table.remove(slab)).isFalse();
    }

    @Test
    void slabThatTheKernelTakesInPartOnlyLeavesNothing() {
        ring.placesLeft = 2;
        MemorySegment slab = slab(1L << 40, 3 * GIB);
        assertThat(table.add(slab)).isFalse();
        assertThat(ring.bytesByPlace).isEmpty();
        assertThat(find(slab, 0, 4096)).isEqualTo(-1);
    }

    @Test
    void thereAreAsManySlabsAsTheLimitSaysAndRoomAgainWhenOneGoes() {
        for (int i = 0; i < MemoryTable.SLABS_MAX; i++) {
            assertThat(table.add(slab((1L << 40) + i * GIB, 4096))).isTrue();
            assertThat(table.add(slab((1L << 40) + i * GIB, 4096))).as("again").isTrue();
        }
        assertThat(ring.bytesByPlace).hasSize(MemoryTable.SLABS_MAX);
        MemorySegment more = slab(1L << 41, 4096);
        assertThat(table.add(more)).isFalse();
        assertThat(table.remove(slab((1L << 40) + 7 * GIB, 4096))).isTrue();
        assertThat(table.add(more)).isTrue();
        assertThat(find(more, 0, 4096)).isEqualTo(7);
    }

    @Test
    void memoryOfAnotherArenaAtTheSameAddressIsNotTakenForRegistered() {
        long address = 1L << 40;
        MemorySegment later = slab(address, 4096);
        try (Arena brief = Arena.ofShared()) {
            assertThat(table.add(ofScope(brief, address))).isTrue();
            assertThat(find(later, 0, 4096)).as("another scope").isEqualTo(-1);
        }
        assertThat(table.add(later)).isTrue();
        assertThat(ring.bytesByPlace).as("that of the closed arena has gone").hasSize(1);
        assertThat(find(later, 0, 4096)).isNotNegative();
    }

    @SuppressWarnings("restricted")
    private static MemorySegment ofScope(Arena scope, long address) {
        return MemorySegment.ofAddress(address).reinterpret(4096, scope, null);
    }

    @Test
    void emptySlabIsNotRegistered() {
        assertThat(table.add(slab(1L << 40, 0))).isFalse();
    }
}
