package io.blkmq.testkit.tree;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class LongTrieTest {
    private static final int STEPS = 40_000;

    /** A trie with who modifies it and what it should hold. */
    private static final class Version {
        final LongTrie<Long> trie;
        final NavigableMap<Long, Long> expected;
        Owner owner = new Owner();

        Version(LongTrie<Long> trie, NavigableMap<Long, Long> expected) {
            this.trie = trie;
            this.expected = expected;
        }

        Version fork() {
            owner = new Owner();
            return new Version(trie.copy(), new TreeMap<>(expected));
        }
    }

    private static long key(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(200);
            case 1 -> (1L << random.nextInt(60)) - random.nextInt(2);
            case 2 -> random.nextLong() & LongTrie.KEY_MAX;
            default -> 1_000_000 + random.nextInt(10_000);
        };
    }

    private static List<Long> keysFrom(LongTrie<Long> trie, long from, int max) {
        List<Long> keys = new ArrayList<>();
        trie.forEach(from, (key, _) -> keys.add(key) && keys.size() < max);
        return keys;
    }

    private static Fingerprint summand(long key, Long value) {
        return Fingerprint.ZERO.and(key).and(value);
    }

    private static Fingerprint sum(Map<Long, Long> entries) {
        Fingerprint[] sum = {Fingerprint.ZERO};
        entries.forEach((key, value) -> sum[0] = sum[0].plus(summand(key, value)));
        return sum[0];
    }

    @Test
    void aTrieAndItsCopiesHoldWhatMapsHold() {
        Random random = new Random(RandomSeed.of(LongTrieTest.class));
        List<Version> versions = new ArrayList<>(List.of(new Version(new LongTrie<>(), new TreeMap<>())));
        for (int step = 0; step < STEPS; step++) {
            Version version = versions.get(random.nextInt(versions.size()));
            Long known = version.expected.ceilingKey(key(random));
            long key = random.nextBoolean() && known != null ? known : key(random);
            if (random.nextInt(3) < 2) {
                version.trie.put(version.owner, key, (long) step);
                version.expected.put(key, (long) step);
            } else {
                version.trie.remove(version.owner, key);
                version.expected.remove(key);
            }
            assertThat(version.trie.get(key)).isEqualTo(version.expected.get(key));
            if (random.nextInt(200) == 0) {
                versions.add(version.fork());
                long from = key(random);
                assertThat(keysFrom(version.trie, from, 5))
                        .isEqualTo(version.expected.tailMap(from).keySet().stream().limit(5).toList());
                assertThat(version.trie.sum(LongTrieTest::summand)).isEqualTo(sum(version.expected));
            }
            if (versions.size() > 5) {
                versions.remove(random.nextInt(versions.size()));
            }
        }
        for (Version version : versions) {
            assertThat(version.trie.size()).isEqualTo(version.expected.size());
            assertThat(keysFrom(version.trie, 0, Integer.MAX_VALUE)).isEqualTo(List.copyOf(version.expected.keySet()));
            assertThat(version.trie.sum(LongTrieTest::summand)).isEqualTo(sum(version.expected));
        }
    }

    @Test
    void anEmptyTrieHasNothing() {
        LongTrie<Long> trie = new LongTrie<>();
        assertThat(trie.get(0)).isNull();
        assertThat(keysFrom(trie, 0, 1)).isEmpty();
        Owner owner = new Owner();
        trie.put(owner, 7, 7L);
        trie.remove(owner, 8);
        assertThat(trie.size()).isEqualTo(1);
        trie.remove(owner, 7);
        assertThat(trie.size()).isZero();
        assertThat(trie.sum(LongTrieTest::summand)).isEqualTo(Fingerprint.ZERO);
    }

    @Test
    void aKeyOutOfRangeIsRefused() {
        LongTrie<Long> trie = new LongTrie<>();
        assertThatThrownBy(() -> trie.put(new Owner(), -1, 0L)).hasMessageContaining("key -1");
        assertThatThrownBy(() -> trie.put(new Owner(), LongTrie.KEY_MAX + 1, 0L))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
