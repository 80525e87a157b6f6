package io.blkmq.core.elevator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.IoPriority.IoClass;
import io.blkmq.core.Operation;
import io.blkmq.core.mq.ElevatorBench;
import io.blkmq.core.driver.Request;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

@NoRescues
class MqDeadlineTest {
    private static final IoPriority REAL_TIME = IoPriority.of(IoClass.REAL_TIME, 0);
    private static final IoPriority IDLE = IoPriority.of(IoClass.IDLE, 7);

    private final ElevatorBench bench = new ElevatorBench("mq-deadline", 1);

    @AfterEach
    void nothingIsLeft() {
        bench.drain();
        assertThat(bench.waiting()).isZero();
        assertThat(bench.elevator().hasWork(0)).isFalse();
        bench.close();
    }

    private void reads(long... sectors) {
        for (long sector : sectors) {
            bench.insert(Operation.READ, sector);
        }
    }

    private void writes(long... sectors) {
        for (long sector : sectors) {
            bench.insert(Operation.WRITE, sector);
        }
    }

    @Test
    void aBatchGoesBySector() {
        reads(500, 100, 300, 200, 400);
        assertThat(bench.drain()).containsExactly("R 100", "R 200", "R 300", "R 400", "R 500");
    }

    @Test
    void behindTheLastSectorItBeginsAgainWithTheOldest() {
        reads(500, 600);
        assertThat(ElevatorBench.describe(bench.dispatch(0))).isEqualTo("R 500");
        reads(300, 100);
        assertThat(bench.drain()).containsExactly("R 600", "R 300", "R 100");
    }

    @Test
    void afterABatchItGoesOnByTheOldestIfThatIsLate() {
        bench.set("fifo_batch", "2").set("read_expire", "500");
        reads(900, 100, 200, 300, 400);
        bench.sleep(499);
        assertThat(bench.dispatchUpTo(2)).extracting(ElevatorBench::describe).containsExactly("R 100", "R 200");
        bench.sleep(1);
        assertThat(bench.dispatchUpTo(1)).extracting(ElevatorBench::describe).as("late since now")
                .containsExactly("R 900");
        assertThat(bench.drain()).as("from the oldest, which is late too").containsExactly("R 300", "R 400");
    }

    @Test
    void noReadWaitsForMoreThanABatchAfterItsDeadline() {
        bench.set("fifo_batch", "4");
        Request late = bench.insert(Operation.READ, 1_000_000);
        long sector = 0;
        int sinceDeadline = 0;
        bench.sleep(500);
        for (boolean gone = false; !gone; sinceDeadline++) {
            bench.insert(Operation.READ, sector += 8);
            gone = bench.dispatchUpTo(1).contains(late);
        }
        assertThat(sinceDeadline).isLessThanOrEqualTo(5);
    }

    @Test
    void writesAreStarvedSoOftenAndNoMore() {
        bench.set("fifo_batch", "1").set("writes_starved", "2");
        reads(10, 20, 30, 40, 50, 60);
        writes(1000, 1010);
        assertThat(bench.drain()).as("the first read begins no batch, the elevator begins with one")
                .containsExactly("R 10", "R 20", "R 30", "W 1000", "R 40", "R 50", "W 1010", "R 60");
    }

    @Test
    void discardsGoWithWrites() {
        bench.insert(Operation.DISCARD, 5);
        writes(1);
        reads(9);
        assertThat(bench.drain()).containsExactly("R 9", "W 1", "D 5");
    }

    @Test
    void aLowerPriorityWaitsUntilNothingOfAHigherOneIsInFlight() {
        bench.insert(0, Operation.READ, 100, IDLE);
        reads(200);
        bench.insert(0, Operation.READ, 300, REAL_TIME);
        Request realTime = bench.dispatch(0);
        assertThat(ElevatorBench.describe(realTime)).isEqualTo("R 300");
        assertThat(bench.dispatch(0)).as("the other is in flight").isNull();
        assertThat(bench.runs()).isEmpty();
        bench.finish(realTime);
        assertThat(bench.runs()).as("somebody has to look again").containsExactly(0);
        Request bestEffort = bench.dispatch(0);
        assertThat(ElevatorBench.describe(bestEffort)).isEqualTo("R 200");
        assertThat(bench.dispatch(0)).isNull();
        bench.finish(bestEffort);
        assertThat(bench.drain()).containsExactly("R 100");
    }

    @Test
    void whoHasWaitedForTheAgingTimeGoesBeforeAHigherPriority() {
        bench.set("prio_aging_expire", "10000");
        bench.insert(0, Operation.WRITE, 100, IDLE);
        bench.insert(0, Operation.READ, 200, REAL_TIME);
        bench.insert(0, Operation.READ, 300, REAL_TIME);
        bench.sleep(9_999);
        Request first = bench.dispatch(0);
        assertThat(ElevatorBench.describe(first)).isEqualTo("R 200");
        bench.sleep(1);
        Request second = bench.dispatch(0);
        assertThat(ElevatorBench.describe(second)).isEqualTo("W 100");
        bench.finish(first);
        bench.finish(second);
    }

    @Test
    void whatComesBackGoesFirstAndIsCountedOnce() {
        reads(100, 200, 300);
        Request rq = bench.dispatch(0);
        bench.requeue(rq);
        assertThat(bench.drain()).containsExactly("R 100", "R 200", "R 300");
        bench.insert(0, Operation.READ, 400, IDLE);
        assertThat(bench.drain()).as("nothing of a higher priority counts as in flight").containsExactly("R 400");
    }

    @Test
    void neighboursAreFoundByWhereTheyBeginAndEnd() {
        Request rq = bench.insert(Operation.WRITE, 100);
        assertThat(bench.elevator().endingAt(0, bio(Operation.WRITE, 108))).isEqualTo(rq);
        assertThat(bench.elevator().beginningAt(0, bio(Operation.WRITE, 92))).isEqualTo(rq);
        assertThat(bench.elevator().endingAt(0, bio(Operation.WRITE, 107))).isNull();
        assertThat(bench.elevator().beginningAt(0, bio(Operation.WRITE, 93))).isNull();
        assertThat(bench.elevator().endingAt(0, bio(Operation.READ, 108))).as("another direction").isNull();
        assertThat(bench.elevator().endingAt(0, bio(Operation.DISCARD, 108))).as("another operation").isNull();
        assertThat(bench.elevator().endingAt(0, bio(Operation.WRITE, 108).priority(IDLE))).isNull();
        bench.set("front_merges", "0");
        assertThat(bench.elevator().beginningAt(0, bio(Operation.WRITE, 92))).isNull();
    }

    private static Bio bio(Operation operation, long sector) {
        return ElevatorBench.bio(operation, sector, 8, IoPriority.NONE);
    }

    @Test
    void whatWasAbsorbedIsGoneAndLeavesItsDeadline() {
        bench.set("fifo_batch", "1");
        reads(10);
        assertThat(bench.drain()).containsExactly("R 10");
        Request later = bench.insert(Operation.READ, 108);
        bench.sleep(100);
        reads(900);
        Request earlier = bench.insert(Operation.READ, 100);
        assertThat(bench.elevator().following(0, earlier)).isEqualTo(later);
        assertThat(bench.elevator().preceding(0, later)).isEqualTo(earlier);
        bench.absorb(earlier, later);
        bench.sleep(400);
        reads(50);
        assertThat(bench.drain()).as("100 is as old as 108 was").startsWith("R 100").containsExactlyInAnyOrder("R 100",
                "R 900", "R 50");
    }

    @Test
    void asynchronousWritesAreLimitedAndReadsAreNot() {
        assertThat(bench.elevator().depthLimit(Operation.READ, 0)).isEqualTo(Integer.MAX_VALUE);
        assertThat(bench.elevator().depthLimit(Operation.WRITE, 0)).as("all of them, at first").isEqualTo(200);
        bench.set("async_depth", "17");
        assertThat(bench.elevator().depthLimit(Operation.WRITE, 0)).isEqualTo(17);
        bench.elevator().depthChanged(64);
        assertThat(bench.get("async_depth")).isEqualTo("64");
    }

    @Test
    void theTunablesAreThoseOfTheKernel() {
        assertThat(bench.elevator().attributes().values()).extracting(Object::toString).containsExactly(
                "read_expire = 500 milliseconds", "write_expire = 5000 milliseconds",
                "prio_aging_expire = 10000 milliseconds", "writes_starved = 2", "front_merges = 1", "async_depth = 200",
                "fifo_batch = 16");
        assertThatIllegalArgumentException().isThrownBy(() -> bench.set("front_merges", "2"))
                .withMessage("front_merges 2: must be a whole number from 0 to 1");
        assertThatIllegalArgumentException().isThrownBy(() -> bench.set("read_expire", "soon"))
                .withMessageContaining("read_expire 'soon'").withMessageContaining("milliseconds");
    }

    /** Random requests, merges and returns: each goes out once, and the waiting ones never disagree with a plain list. */
    @Test
    void nothingIsLostAndNothingGoesTwice() {
        long seed = RandomSeed.of(MqDeadlineTest.class);
        Random random = new Random(seed);
        bench.set("fifo_batch", "3").set("read_expire", "20").set("write_expire", "50").set("prio_aging_expire", "90");
        List<Request> flying = new ArrayList<>();
        int inserted = 0;
        int out = 0;
        for (int step = 0; step < 20_000; step++) {
            int what = random.nextInt(10);
            if (what < 5 && bench.waiting() + flying.size() < 900) {
                Operation operation = random.nextBoolean() ? Operation.READ : Operation.WRITE;
                IoClass[] classes = IoClass.values();
                bench.insert(0, operation, random.nextInt(500) * 8L,
                        IoPriority.of(classes[random.nextInt(classes.length)], 4));
                inserted++;
            } else if (what < 8) {
                Request rq = bench.dispatch(0);
                if (rq != null) {
                    out++;
                    flying.add(rq);
                }
            } else if (!flying.isEmpty()) {
                Request rq = flying.remove(random.nextInt(flying.size()));
                if (random.nextInt(5) == 0) {
                    bench.requeue(rq);
                    out--;
                } else {
                    bench.finish(rq);
                }
            }
            bench.sleep(random.nextInt(3));
            assertThat(bench.elevator().hasWork(0)).as("seed %d, step %d", seed, step).isEqualTo(bench.waiting() > 0);
        }
        flying.forEach(bench::finish);
        out += bench.drain().size();
        assertThat(out).as("seed %d", seed).isEqualTo(inserted);
    }
}
