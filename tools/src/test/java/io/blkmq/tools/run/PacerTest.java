package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Operation;
import io.blkmq.testing.NoRescues;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.UsageException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whether a job is fast enough, by a clock that the test sets. */
@NoRescues
class PacerTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private static JobSpec job(String lines) throws UsageException {
        return JobFile.parse("test.fio", "[a]\n" + lines.replace('~', '\n') + "\n").getFirst();
    }

    private static void did(DirectionStatistics statistics, int operations) {
        statistics.operations += operations;
        statistics.bytes += operations * 4096L;
    }

    private static boolean isTooSlow(Accounts accounts) {
        return accounts.failures.errno() != 0;
    }

    @ParameterizedTest
    @CsvSource({"rw=read~rate_iops_min=10, true", "rw=randread~rate_min=40k, true", "rw=write~rate_iops_min=10, false",
            "rw=trim~rate_min=40k, false", "rw=rw~rate_iops_min=10, false", "'rw=rw~rate_iops_min=10,0', true"})
    void onlyTheDirectionsOfAJobHaveToBeFast(String lines, boolean readsAreEnough) throws UsageException {
        JobSpec job = job(lines);
        Accounts accounts = new Accounts(job);
        Pacer pacer = new Pacer(job, 1);
        pacer.begin(0);
        did(accounts.reads, 10);
        pacer.check(accounts, SECOND);
        assertThat(isTooSlow(accounts)).isEqualTo(!readsAreEnough);
    }

    @Test
    void aCycleIsLookedAtWhenItIsOver() throws UsageException {
        JobSpec job = job("rw=read~rate_iops_min=10~rate_cycle=100");
        Accounts accounts = new Accounts(job);
        Pacer pacer = new Pacer(job, 1);
        // The clock may be anywhere, also before 0, and may pass its end.
        long begin = Long.MAX_VALUE - SECOND / 20;
        pacer.begin(begin);
        pacer.check(accounts, begin + SECOND / 10 - 1);
        assertThat(isTooSlow(accounts)).isFalse();
        did(accounts.reads, 1);
        pacer.check(accounts, begin + SECOND / 10);
        assertThat(isTooSlow(accounts)).isFalse();
        pacer.check(accounts, begin + SECOND / 5);
        assertThat(isTooSlow(accounts)).isTrue();
    }

    @Test
    void whatIsPostponedIsNotMadeUpFor() throws UsageException {
        Pacer pacer = new Pacer(job("rw=read~rate_iops=10"), 1);
        pacer.begin(0);
        pacer.began(Operation.READ, 4096);
        assertThat(pacer.waitNanos(Operation.READ, 0)).isEqualTo(SECOND / 10);
        pacer.postpone(SECOND);
        assertThat(pacer.waitNanos(Operation.READ, SECOND)).isEqualTo(SECOND / 10);
    }

    @Test
    void whatWasDoneInTheRampIsForgotten() throws UsageException {
        JobSpec job = job("rw=read~rate_iops_min=10");
        Accounts accounts = new Accounts(job);
        Pacer pacer = new Pacer(job, 1);
        pacer.begin(0);
        did(accounts.reads, 1000);
        pacer.check(accounts, SECOND);
        accounts.reset();
        pacer.beginMinimum(SECOND + SECOND / 2);
        did(accounts.reads, 10);
        pacer.check(accounts, 2 * SECOND);
        assertThat(isTooSlow(accounts)).as("half a cycle").isFalse();
        pacer.check(accounts, 2 * SECOND + SECOND / 2);
        assertThat(isTooSlow(accounts)).isFalse();
        pacer.check(accounts, 4 * SECOND);
        assertThat(isTooSlow(accounts)).isTrue();
    }

    /** As often as each direction's own rate says, whatever is drawn how often. */
    @ParameterizedTest
    @CsvSource({"'rate_iops=100,400', 50, 100, 400", "'rate_iops=200,200', 90, 200, 200",
            "'rate=400k,1600k', 10, 100, 400"})
    void aDirectionOfAMixedJobDoesNotWaitForTheOthersRate(String rates, int readPercent, int reads, int writes)
            throws UsageException {
        Pacer pacer = new Pacer(job("rw=randrw~bs=4k~" + rates), 1);
        pacer.begin(0);
        int[] begun = new int[2];
        int drawn = 0;
        for (long now = 0; now < SECOND;) {
            Operation turn = pacer.turn(drawn++ % 100 < readPercent ? Operation.READ : Operation.WRITE, now);
            long wait = pacer.waitNanos(turn, now);
            if (wait > 0) {
                // It stays chosen, as it does in a job.
                now += wait;
            }
            if (now < SECOND) {
                pacer.began(turn, 4096);
                begun[turn == Operation.READ ? 0 : 1]++;
            }
        }
        assertThat(begun[0]).isBetween(reads - 2, reads + 2);
        assertThat(begun[1]).isBetween(writes - 2, writes + 2);
    }

    @Test
    void aDirectionWithoutARateMayAlwaysBegin() throws UsageException {
        Pacer pacer = new Pacer(job("rw=randrw~rate_iops=,100"), 1);
        pacer.begin(0);
        assertThat(pacer.turn(Operation.WRITE, 1)).isEqualTo(Operation.WRITE);
        pacer.began(Operation.WRITE, 4096);
        assertThat(pacer.turn(Operation.WRITE, 1)).isEqualTo(Operation.READ);
        assertThat(pacer.turn(Operation.READ, 1)).isEqualTo(Operation.READ);
    }
}
