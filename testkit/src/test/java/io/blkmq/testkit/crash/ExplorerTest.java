package io.blkmq.testkit.crash;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.crash.RandomHistory.Left;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ExplorerTest {
    private static final int HISTORIES = 300;

    private static Explorer<Set<Integer>> explorer(History history, long statesMax, long seed) {
        return new Explorer<>(history, new RandomHistory.Sets(), statesMax, seed, false, () -> true);
    }

    @Test
    void visitsEachStateThatACrashMayLeaveAndNoOther() {
        Random random = new Random(RandomSeed.of(ExplorerTest.class));
        for (int i = 0; i < HISTORIES; i++) {
            RandomHistory some = new RandomHistory(random);
            Set<Left> visited = new HashSet<>();
            Exploration found = explorer(some.history, Long.MAX_VALUE, 1).explore((image, acknowledged, state) -> {
                assertThat(state.contradiction(some.history)).isNull();
                assertThat(image).isEqualTo(some.left(state).effects());
                assertThat(visited.add(new Left(acknowledged, Set.copyOf(image)))).as("visited once").isTrue();
                return true;
            });
            assertThat(visited).isEqualTo(some.allStates());
            assertThat(found.completePoints()).isEqualTo(found.points());
            assertThat(found.checked()).isEqualTo(visited.size());
        }
    }

    @Test
    void aSampleHasOnlyStatesThatACrashMayLeave() {
        Random random = new Random(RandomSeed.of(ExplorerTest.class));
        for (int i = 0; i < HISTORIES; i++) {
            RandomHistory some = new RandomHistory(random);
            Set<Left> all = some.allStates();
            explorer(some.history, 12, random.nextLong()).explore((image, acknowledged, state) -> {
                assertThat(state.contradiction(some.history)).isNull();
                assertThat(all).contains(new Left(acknowledged, Set.copyOf(image)));
                return true;
            });
        }
    }

    /** Effects without an order, none of them durable. */
    private static History independent(int effects) {
        History.Builder builder = History.builder();
        for (int i = 0; i < effects; i++) {
            builder.event();
            builder.effect();
        }
        return builder.build();
    }

    @Test
    void ofTooManyStatesItMakesAsManyAsAllowedAndSimpleOnesFirst() {
        List<Set<Integer>> visited = new ArrayList<>();
        Exploration found = explorer(independent(100), 500, 1).explore((image, _, _) -> visited.add(Set.copyOf(image)));
        assertThat(found.made()).isEqualTo(500);
        assertThat(found.completePoints()).isZero();
        assertThat(visited.get(0)).hasSize(100);
        assertThat(visited.get(1)).isEmpty();
        assertThat(visited).contains(Set.of(99)).anyMatch(left -> left.size() == 99);
    }

    @Test
    void aSeedChoosesTheSameStatesEachTime() {
        List<List<Set<Integer>>> visits = new ArrayList<>();
        for (long seed : new long[]{7, 7, 8}) {
            List<Set<Integer>> visited = new ArrayList<>();
            explorer(independent(60), 400, seed).explore((image, _, _) -> visited.add(Set.copyOf(image)));
            visits.add(visited);
        }
        assertThat(visits.get(0)).isEqualTo(visits.get(1)).isNotEqualTo(visits.get(2));
    }

    @Test
    void aLongChainOfRequirementsIsNoProblem() {
        History.Builder builder = History.builder();
        int last = -1;
        for (int i = 0; i < 100_000; i++) {
            builder.event();
            last = builder.effect(last);
        }
        Exploration found = explorer(builder.build(), 20, 1).explore((_, _, _) -> true);
        assertThat(found.made()).isEqualTo(20);
    }

    @Test
    void whatAnEffectRequiresIsDurableWithIt() {
        History.Builder builder = History.builder();
        builder.event();
        int first = builder.effect();
        int second = builder.effect(first);
        builder.event();
        builder.durable(second);
        History history = builder.build();
        assertThat(history.isDurable(first, 1)).isFalse();
        assertThat(history.isDurable(first, 2)).isTrue();
        assertThat(history.pendingAt(2)).isEmpty();
    }

    @Test
    void aFailureIsMadeAsSmallAsItGets() {
        Random random = new Random(RandomSeed.of(ExplorerTest.class));
        // It fails if effect 40 is left, and 20 and 30 are lost.
        History history = independent(64);
        for (int i = 0; i < 50; i++) {
            CrashState failing = randomState(random, history);
            CrashState smallest = new Reduction(history, state -> isBad(history, state), 10_000).reduce(failing);
            assertThat(smallest.position()).isEqualTo(41);
            assertThat(smallest.lost().stream()).containsExactly(20, 30);
        }
    }

    @Test
    void onlyWhatACrashMayLeaveIsTriedToMakeAFailureSmaller() {
        Random random = new Random(RandomSeed.of(ExplorerTest.class));
        for (int i = 0; i < HISTORIES; i++) {
            RandomHistory some = new RandomHistory(random);
            explorer(some.history, Long.MAX_VALUE, 1).explore((_, _, failing) -> {
                CrashState smallest = new Reduction(some.history, tried -> {
                    assertThat(tried.contradiction(some.history)).isNull();
                    return random.nextBoolean();
                }, 100).reduce(failing);
                assertThat(smallest.contradiction(some.history)).isNull();
                assertThat(smallest.position()).isLessThanOrEqualTo(failing.position());
                return true;
            });
        }
    }

    private static CrashState randomState(Random random, History history) {
        BitSet lost = new BitSet();
        for (int effect = 0; effect < history.effects(); effect++) {
            lost.set(effect, random.nextBoolean());
        }
        lost.set(20);
        lost.set(30);
        lost.clear(40);
        return new CrashState(history.lastPosition(), lost);
    }

    private static boolean isBad(History history, CrashState state) {
        assertThat(state.contradiction(history)).isNull();
        return state.position() >= 41 && state.lost().get(20) && state.lost().get(30) && !state.lost().get(40);
    }

    @Test
    void aStateIsReadFromItsCode() {
        for (String code : List.of("0:", "17:3", "17:3,5-8", "100:0-99")) {
            assertThat(CrashState.parse(code).code()).isEqualTo(code);
        }
    }
}
