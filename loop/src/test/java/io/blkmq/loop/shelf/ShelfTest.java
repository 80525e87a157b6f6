package io.blkmq.loop.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tools of several threads, told apart by the ids that the threads would have. */
@NoRescues
class ShelfTest {
    private final Shelf<String> shelf = new Shelf<>();

    @Test
    void aThreadFindsWhatItUsedLast() {
        assertThat(shelf.take(5)).isNull();
        assertThat(shelf.give(5, "of 5")).isTrue();
        assertThat(shelf.give(6, "of 6")).isTrue();
        assertThat(shelf.take(6)).isEqualTo("of 6");
        assertThat(shelf.take(5)).isEqualTo("of 5");
        assertThat(shelf.take(5)).isNull();
    }

    @Test
    void aThreadThatFindsItsPlaceEmptyTakesAnyTool() {
        assertThat(shelf.give(5, "of 5")).isTrue();
        assertThat(shelf.take(4)).isEqualTo("of 5");
    }

    @Test
    void idsThatPointToOnePlaceDisplaceNothing() {
        List<Long> ids = List.of(5L, 5L + Shelf.PLACES, 5L + 2 * Shelf.PLACES);
        for (int round = 0; round < 3; round++) {
            for (long id : ids) {
                assertThat(shelf.give(id, "of " + id)).isTrue();
            }
            List<String> taken = new ArrayList<>();
            for (long id : ids) {
                taken.add(shelf.take(id));
            }
            assertThat(taken).containsExactlyInAnyOrder("of 5", "of 37", "of 69");
        }
    }

    @Test
    void whatFindsNoRoomIsTheGivers() {
        for (int i = 0; i < Shelf.PLACES; i++) {
            assertThat(shelf.give(7, "tool " + i)).isTrue();
        }
        assertThat(shelf.give(7, "one too many")).isFalse();
        assertThat(shelf.close()).hasSize(Shelf.PLACES).doesNotContain("one too many").doesNotHaveDuplicates();
    }

    @Test
    void nothingIsKeptAfterTheEnd() {
        assertThat(shelf.give(1, "before")).isTrue();
        assertThat(shelf.close()).containsExactly("before");
        assertThat(shelf.give(1, "after")).isFalse();
        assertThat(shelf.take(1)).isNull();
        assertThat(shelf.close()).isEmpty();
    }
}
