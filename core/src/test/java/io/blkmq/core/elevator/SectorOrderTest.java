package io.blkmq.core.elevator;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Operation;
import io.blkmq.core.driver.Request;
import io.blkmq.core.mq.ElevatorBench;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@NoRescues
class SectorOrderTest {
    private static final int BLOCK_SECTORS = 8;

    private final ElevatorBench bench = new ElevatorBench("mq-deadline", 1);
    private final SectorOrder order = new SectorOrder();
    /** The same in order of insertion, which a stable sort keeps. */
    private final List<SectorTree.Node> model = new ArrayList<>();

    @AfterEach
    void close() {
        bench.drain();
        bench.close();
    }

    private SectorTree.Node insert(long sector) {
        Request rq = bench.insert(Operation.READ, sector);
        SectorTree.Node node = new SectorTree.Node(rq);
        order.insert(node);
        model.add(node);
        return node;
    }

    private void remove(SectorTree.Node node) {
        order.remove(node);
        model.remove(node);
    }

    private List<SectorTree.Node> inOrder() {
        return model.stream().sorted(Comparator.comparingLong(node -> node.request.sector())).toList();
    }

    private SectorTree.@Nullable Node modelFrom(long sector) {
        return inOrder().stream().filter(node -> node.request.sector() >= sector).findFirst().orElse(null);
    }

    private SectorTree.@Nullable Node modelBeginningAt(long sector) {
        return inOrder().stream().filter(node -> node.request.sector() == sector).findFirst().orElse(null);
    }

    private SectorTree.@Nullable Node modelEndingAt(long sector) {
        return inOrder().stream().filter(node -> node.request.sector() < sector).reduce((_, last) -> last)
                .filter(node -> node.endSector() == sector).orElse(null);
    }

    @Test
    void whatBeginsAtTheSameSectorStandsInTheOrderOfInsertion() {
        SectorTree.Node first = insert(80);
        // So many that the first ones stand in the tree by now.
        List<SectorTree.Node> others = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            others.add(insert(1000 + i * BLOCK_SECTORS));
        }
        SectorTree.Node second = insert(80);
        SectorTree.Node third = insert(80);
        assertThat(order.from(0)).isSameAs(first);
        remove(first);
        assertThat(order.from(0)).isSameAs(second);
        remove(second);
        assertThat(order.beginningAt(80)).isSameAs(third);
        assertThat(order.from(0)).isSameAs(third);
        remove(third);
        others.forEach(this::remove);
        assertThat(order.isEmpty()).isTrue();
    }

    @ParameterizedTest(name = "at most {0} at a time")
    @ValueSource(ints = {1, 8, 31, 32, 33, 100, 400})
    void itAnswersLikeASortedList(int most) {
        Random random = new Random(RandomSeed.of(SectorOrderTest.class));
        long position = 0;
        for (int step = 0; step < 2_000; step++) {
            int dice = random.nextInt(100);
            if (dice < 45 && model.size() < most) {
                insert((long) random.nextInt(120) * BLOCK_SECTORS);
            } else if (dice < 75 && !model.isEmpty()) {
                SectorTree.Node next = order.from(position);
                assertThat(next).isSameAs(modelFrom(position));
                if (next == null) {
                    position = 0;
                } else {
                    position = next.endSector();
                    remove(next);
                }
            } else if (dice < 80 && !model.isEmpty()) {
                remove(model.get(random.nextInt(model.size())));
            } else if (dice < 81) {
                // Nothing is left: what was known of sectors is forgotten.
                List.copyOf(model).forEach(this::remove);
            } else {
                long sector = (long) random.nextInt(122) * BLOCK_SECTORS;
                assertThat(order.beginningAt(sector)).isSameAs(modelBeginningAt(sector));
                assertThat(order.endingAt(sector)).isSameAs(modelEndingAt(sector));
            }
            assertThat(order.isEmpty()).isEqualTo(model.isEmpty());
        }
    }
}
