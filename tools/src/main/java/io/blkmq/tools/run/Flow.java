package io.blkmq.tools.run;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Jobs whose operations are kept in proportion to their weights: in a round each does as many as its weight says, and none is more than a few rounds
 * ahead of another that runs. Each member's count and state are written by its job's thread alone, and read by those of the others.
 */
final class Flow {
    /** How far ahead a job may be: enough to keep some operations in flight. */
    private static final int ROUNDS_AHEAD = 16;

    private final List<Member> members = new CopyOnWriteArrayList<>();

    /** Another job; it does not run yet. */
    Member join(int weight) {
        Member member = new Member(weight);
        members.add(member);
        return member;
    }

    /** A job's share. */
    final class Member {
        private final int weight;
        private final AtomicLong operations = new AtomicLong();
        /** Written after the count, which who sees it true may rely on. */
        private volatile boolean runs;

        private Member(int weight) {
            this.weight = weight;
        }

        private double rounds() {
            return (double) operations.get() / weight;
        }

        /** The job begins: beside the one that is the farthest, so that nobody waits for what it did not do before. */
        void begin() {
            double farthest = members.stream().filter(other -> other.runs).mapToDouble(Member::rounds).max().orElse(0);
            operations.set((long) (farthest * weight));
            runs = true;
        }

        /** It ends: nobody waits for it any more. */
        void end() {
            runs = false;
        }

        void began(int number) {
            // Seen a little late, it lets another wait a little longer.
            operations.lazySet(operations.get() + number);
        }

        /** How many operations may begin. Allocates nothing: called for each batch. */
        int room() {
            double least = Double.MAX_VALUE;
            for (int i = 0; i < members.size(); i++) {
                Member other = members.get(i);
                if (other != this && other.runs) {
                    least = Math.min(least, other.rounds());
                }
            }
            double bound = (least + ROUNDS_AHEAD) * weight - operations.get();
            return !runs || bound >= Integer.MAX_VALUE ? Integer.MAX_VALUE : (int) Math.max(0, bound);
        }
    }
}
