package io.blkmq.core.elevator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.mq.ElevatorBench;
import io.blkmq.core.driver.Request;
import io.blkmq.testing.NoRescues;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

@NoRescues
class KyberTest {
    private final ElevatorBench bench = new ElevatorBench("kyber", 2);
    private final Kyber kyber = (Kyber) bench.elevator();

    @AfterEach
    void nothingIsLeft() {
        bench.drain();
        assertThat(bench.waiting()).isZero();
        assertThat(kyber.hasWork(0)).isFalse();
        for (int i = Kyber.READ; i <= Kyber.OTHER; i++) {
            assertThat(kyber.domain(i).used()).isZero();
        }
        bench.close();
    }

    private void insert(Operation operation, int count) {
        for (int i = 0; i < count; i++) {
            bench.insert(operation, i * 100L);
        }
    }

    @Test
    void aDomainHasSoManyRequestsAtTheDriverAndNoMore() {
        insert(Operation.READ, 300);
        List<Request> reads = bench.dispatchUpTo(1000);
        assertThat(reads).hasSize(256);
        insert(Operation.WRITE, 200);
        List<Request> writes = bench.dispatchUpTo(1000);
        assertThat(writes).hasSize(128);
        insert(Operation.DISCARD, 100);
        List<Request> discards = bench.dispatchUpTo(1000);
        assertThat(discards).hasSize(64);
        insert(Operation.WRITE_ZEROES, 20);
        List<Request> others = bench.dispatchUpTo(1000);
        assertThat(others).hasSize(16);
        List.of(reads, writes, discards, others).forEach(all -> all.forEach(bench::finish));
    }

    @Test
    void whoWaitsForATokenIsRunWhenOneIsGivenBack() {
        insert(Operation.WRITE, 128);
        List<Request> writes = bench.dispatchUpTo(1000);
        bench.insert(1, Operation.WRITE, 5, IoPriority.NONE);
        assertThat(bench.dispatch(1)).isNull();
        assertThat(bench.runs()).isEmpty();
        bench.finish(writes.getFirst());
        assertThat(bench.runs()).containsExactly(1);
        Request last = bench.dispatch(1);
        assertThat(last).isNotNull();
        bench.finish(last);
        writes.subList(1, writes.size()).forEach(bench::finish);
    }

    @Test
    void domainsTakeTurnsInBatches() {
        insert(Operation.READ, 20);
        insert(Operation.WRITE, 20);
        insert(Operation.DISCARD, 2);
        insert(Operation.WRITE_ZEROES, 2);
        StringBuilder order = new StringBuilder();
        bench.drain().forEach(rq -> order.append(rq.charAt(0)));
        assertThat(order.toString())
                .isEqualTo("R".repeat(16) + "W".repeat(8) + "DW" + "RRRR" + "W".repeat(8) + "DW" + "W".repeat(4));
    }

    @Test
    void whatComesBackGivesItsTokenAwayAndGoesFirst() {
        insert(Operation.WRITE, 3);
        Request rq = bench.dispatch(0);
        assertThat(kyber.domain(Kyber.WRITE).used()).isOne();
        bench.requeue(rq);
        assertThat(kyber.domain(Kyber.WRITE).used()).isZero();
        assertThat(bench.drain()).containsExactly("W 0", "W 100", "W 200");
    }

    /** Reads that take so long at the driver, and writes that take half of their target. */
    private void load(int readMillis, int rounds) {
        for (int i = 0; i < rounds; i++) {
            insert(Operation.READ, 60);
            insert(Operation.WRITE, 60);
            List<Request> all = bench.dispatchUpTo(1000);
            bench.sleep(readMillis);
            all.stream().filter(rq -> rq.operation() == Operation.READ).forEach(bench::finish);
            bench.sleep(Math.max(0, 5 - readMillis));
            all.stream().filter(rq -> rq.operation() == Operation.WRITE).forEach(bench::finish);
            bench.drain();
        }
    }

    @Test
    void slowReadsShortenTheQueueOfWritesUntilReadsAreFastAgain() {
        load(1, 200);
        assertThat(kyber.domain(Kyber.WRITE).depth()).as("nothing is late").isEqualTo(128);
        load(4, 60);
        int shortened = kyber.domain(Kyber.WRITE).depth();
        assertThat(shortened).isLessThan(128);
        assertThat(kyber.domain(Kyber.READ).depth()).as("those that are late are not held back").isEqualTo(256);
        load(4, 600);
        assertThat(kyber.domain(Kyber.WRITE).depth()).isLessThanOrEqualTo(shortened).isGreaterThanOrEqualTo(1);
    }

    @Test
    void writesThatMissTheirTargetGetTheirQueueBack() {
        load(4, 60);
        int shortened = kyber.domain(Kyber.WRITE).depth();
        assertThat(shortened).isLessThan(128);
        bench.set("write_lat_nsec", "1000000");
        load(1, 200);
        assertThat(kyber.domain(Kyber.WRITE).depth()).isGreaterThan(shortened);
    }

    @Test
    void neighboursAreLookedForAmongTheNewest() {
        Request rq = bench.insert(Operation.WRITE, 100);
        Bio behind = ElevatorBench.bio(Operation.WRITE, 108, 8, IoPriority.NONE);
        assertThat(kyber.endingAt(0, behind)).isEqualTo(rq);
        assertThat(kyber.beginningAt(0, ElevatorBench.bio(Operation.WRITE, 92, 8, IoPriority.NONE))).isEqualTo(rq);
        assertThat(kyber.endingAt(1, behind)).as("another context").isNull();
        assertThat(kyber.endingAt(0, ElevatorBench.bio(Operation.READ, 108, 8, IoPriority.NONE))).isNull();
        for (int i = 0; i < 7; i++) {
            bench.insert(Operation.WRITE, 1000 + i * 100);
        }
        assertThat(kyber.endingAt(0, behind)).isEqualTo(rq);
        bench.insert(Operation.WRITE, 2000);
        assertThat(kyber.endingAt(0, behind)).as("eight newer ones").isNull();
    }

    @Test
    void whatWasAbsorbedIsGone() {
        Request earlier = bench.insert(Operation.WRITE, 100);
        Request later = bench.insert(Operation.WRITE, 108);
        assertThat(kyber.following(0, earlier)).isEqualTo(later);
        assertThat(kyber.preceding(0, later)).isEqualTo(earlier);
        bench.absorb(earlier, later);
        assertThat(bench.drain()).containsExactly("W 100");
    }

    @Test
    void writesNobodyWaitsForHaveThreeQuartersOfTheTags() {
        assertThat(kyber.depthLimit(Operation.WRITE, 0)).isEqualTo(150);
        assertThat(kyber.depthLimit(Operation.WRITE, Bio.SYNC)).isEqualTo(Integer.MAX_VALUE);
        assertThat(kyber.depthLimit(Operation.READ, 0)).isEqualTo(Integer.MAX_VALUE);
        kyber.depthChanged(1);
        assertThat(kyber.depthLimit(Operation.WRITE, 0)).isOne();
    }

    @Test
    void theTunablesAreThoseOfTheKernel() {
        assertThat(kyber.attributes().values()).extracting(Object::toString)
                .containsExactly("read_lat_nsec = 2000000 nanoseconds", "write_lat_nsec = 10000000 nanoseconds");
        assertThatIllegalArgumentException().isThrownBy(() -> bench.set("read_lat_nsec", "-1"))
                .withMessageContaining("read_lat_nsec -1").withMessageContaining("from 0 to");
    }
}
