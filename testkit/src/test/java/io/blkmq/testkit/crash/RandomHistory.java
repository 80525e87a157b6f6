package io.blkmq.testkit.crash;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;

/** A small history by a seed, and all the states that a crash may leave of it, found by trying each set of effects. */
final class RandomHistory {
    private static final int EVENTS_MAX = 8;

    final History history;

    RandomHistory(Random random) {
        History.Builder builder = History.builder();
        int events = random.nextInt(1, EVENTS_MAX);
        int effects = 0;
        Set<Integer> durable = new HashSet<>();
        for (int i = 0; i < events; i++) {
            builder.event();
            switch (random.nextInt(5)) {
                case 0, 1 -> {
                    for (int n = random.nextInt(3); n >= 0; n--) {
                        int one = effects == 0 ? -1 : random.nextInt(-1, effects);
                        int other = effects == 0 ? -1 : random.nextInt(-1, effects);
                        builder.effect(one, other);
                        effects++;
                    }
                }
                case 2 -> {
                    int effect = effects == 0 ? -1 : random.nextInt(effects);
                    builder.durable(effect);
                    for (int each = 0; each < effects; each++) {
                        if (builder.build().isDurable(each, builder.position())) {
                            durable.add(each);
                        }
                    }
                }
                case 3 -> {
                    int effect = effects == 0 ? -1 : random.nextInt(effects);
                    if (effect >= 0 && !durable.contains(effect)) {
                        builder.gone(effect);
                    }
                }
                default -> builder.acknowledged();
            }
        }
        history = builder.build();
    }

    /** A state as its acknowledgements and the effects that it leaves. */
    record Left(int acknowledged, Set<Integer> effects) {}

    Set<Left> allStates() {
        Set<Left> states = new HashSet<>();
        for (int position = 0; position <= history.lastPosition(); position++) {
            int[] pending = history.pendingAt(position);
            for (int bits = 0; bits < 1 << pending.length; bits++) {
                BitSet lost = new BitSet();
                for (int i = 0; i < pending.length; i++) {
                    lost.set(pending[i], (bits & 1 << i) != 0);
                }
                CrashState state = new CrashState(position, lost);
                if (state.contradiction(history) == null) {
                    states.add(left(state));
                }
            }
        }
        return states;
    }

    Left left(CrashState state) {
        Set<Integer> effects = new HashSet<>();
        for (int effect = 0; effect < history.effects(); effect++) {
            boolean pending = Arrays.binarySearch(history.pendingAt(state.position()), effect) >= 0;
            if (history.isDurable(effect, state.position()) || (pending && !state.lost().get(effect))) {
                effects.add(effect);
            }
        }
        return new Left(history.acknowledgedAt(state.position()), effects);
    }

    /** Its images are the sets of effects that were applied. */
    static final class Sets implements Medium<Set<Integer>> {
        @Override
        public Set<Integer> before() {
            return new HashSet<>();
        }

        @Override
        public Set<Integer> copy(Set<Integer> image) {
            return new HashSet<>(image);
        }

        @Override
        public void apply(Set<Integer> image, int effect) {
            image.add(effect);
        }

        @Override
        public Object identity(Set<Integer> image) {
            return Set.copyOf(image);
        }

        @Override
        public String describe(int effect) {
            return "effect " + effect;
        }

        @Override
        public String describeEvent(int position) {
            return "event " + position;
        }
    }
}
