package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.Simulation;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A freeze of all queues of a tag set. */
@NoRescues
class TagSetFreezeTest {
    @RegisterExtension
    final Simulation simulation = new Simulation(TagSetFreezeTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final RecordingDriver driver = new RecordingDriver().runtime(runtime).depth(4);
    private final TagSet set = driver.tagSet();
    private final Told told = new Told();
    private final RequestQueue first = driver.queue(set, "first");
    private final RequestQueue second = driver.queue(set, "second");

    @BeforeEach
    void nothingIsFrozen() {
        assertThat(first.isFrozen() || second.isFrozen()).isFalse();
    }

    @AfterEach
    void everythingCloses() {
        first.close();
        second.close();
        set.close();
        assertThat(driver.violations()).isEmpty();
    }

    private void submitNoWait(RequestQueue queue) {
        queue.submit(told.read(1).flags(Bio.NOWAIT));
    }

    @Test
    void itWaitsForTheRequestsOfEveryQueueAndTurnsNewOnesAway() {
        first.submit(told.read(0));
        second.submit(told.read(0));
        set.freezeStart();
        assertThat(set.freezeWait(TimeUnit.MILLISECONDS.toNanos(1))).isFalse();
        driver.completeAll();
        Thread waiter = runtime.spawn("waits for what another began",
                () -> assertThat(set.freezeWait(Long.MAX_VALUE)).isTrue());
        runtime.join(waiter);
        submitNoWait(first);
        submitNoWait(second);
        set.unfreeze();
        submitNoWait(first);
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK", "READ 0 OK", "READ 1 AGAIN", "READ 1 AGAIN", "READ 1 OK");
    }

    @Test
    void itNestsAlsoWithTheFreezesOfItsQueues() {
        set.freeze();
        set.freeze();
        first.freeze();
        set.unfreeze();
        set.unfreeze();
        assertThat(first.isFrozen()).isTrue();
        assertThat(second.isFrozen()).isFalse();
        first.unfreeze();
        assertThat(first.isFrozen()).isFalse();
        assertThatThrownBy(set::unfreeze).isInstanceOf(IllegalStateException.class);
        assertThat(first.isFrozen()).isFalse();
    }

    @Test
    void aQueueThatIsMadeMeanwhileIsFrozenAndOneThatIsClosedMeanwhileIsNoTrouble() {
        set.freeze();
        RequestQueue third = driver.queue(set, "third");
        submitNoWait(third);
        first.close();
        set.unfreeze();
        submitNoWait(third);
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 1 AGAIN", "READ 1 OK");
        third.close();
    }

    @Test
    void hardwareQueuesCanBeChangedWhileItIsFrozen() throws Exception {
        set.freeze();
        set.updateHardwareQueues(3);
        assertThat(first.isFrozen() && second.isFrozen()).isTrue();
        set.unfreeze();
        submitNoWait(second);
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 1 OK");
    }

    @Test
    void whoeverWaitsToSubmitGoesOnAfterIt() {
        set.freeze();
        Thread submitter = runtime.spawn("submitter", () -> second.submit(told.read(5)));
        runtime.sleep(1_000_000);
        assertThat(driver.log()).isEmpty();
        set.unfreeze();
        runtime.join(submitter);
        assertThat(driver.log()).containsExactly("READ 5");
        driver.completeAll();
    }
}
