package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.ScantRuntime;
import io.blkmq.core.ScantRuntime.Call;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A runtime that has no thread for a timer or an agent now: whoever submits goes on, and nothing is left half done. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ScantThreadsTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final ManualRuntime time = new ManualRuntime();
    private final ScantRuntime runtime = new ScantRuntime(time);
    private final RecordingDriver driver = new RecordingDriver().runtime(runtime);
    private final Told told = new Told();
    /** Whether the driver has refused for the last time: from then on there is no timer for once. */
    private volatile boolean refused;

    /** Refuses the next request, and each of its timers with it. */
    private void refuseWithoutATimer() {
        // The first time the context is asked again at once, since nothing is in flight.
        driver.answer(Status.RESOURCE).answerBy(_ -> {
            runtime.refuse(Call.SCHEDULE, 1);
            refused = true;
            return Status.RESOURCE;
        });
    }

    @Test
    void aReadGoesOnWithoutTheTimerOfTimeouts() throws Exception {
        try (Disk disk = driver.completesAtOnce().disk(); Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(512);
            runtime.refuse(Call.SCHEDULE, 1);
            disk.read(0, memory);
            assertThat(runtime.refusalsLeft(Call.SCHEDULE)).isZero();
            assertThat(time.timers()).isZero();
            assertThat(disk.queue().heldTags()).isZero();
            disk.read(512, memory);
            assertThat(time.timers()).as("not tried again at once").isZero();
            time.advance(2 * SECOND);
            disk.read(512, memory);
            assertThat(time.timers()).as("set with the next tag").isOne();
            assertThat(disk.queue().close(SECOND)).isTrue();
        }
    }

    @Test
    void aTimerThatCouldNotGoOnIsSetWithTheNextTag() {
        List<Long> asked = new ArrayList<>();
        driver.onTimeout(rq -> {
            asked.add(rq.sector());
            return TimeoutAction.DONE;
        });
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(7));
            runtime.refuse(Call.SCHEDULE, 1);
            time.advance(SECOND);
            assertThat(time.timers()).isZero();
            time.advance(SECOND);
            disk.submit(told.read(8));
            time.advance(40 * SECOND);
            assertThat(asked).containsExactly(7L, 8L);
            driver.completeAll();
        }
    }

    @Test
    void aDriverThatRefusedIsAskedAgainByWhoeverRunsTheContext() {
        try (Disk disk = driver.disk()) {
            refuseWithoutATimer();
            disk.submit(told.read(7));
            assertThat(driver.inFlight()).isEmpty();
            disk.queue().hardwareContext(0).run();
            assertThat(driver.inFlight()).hasSize(1);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK");
        }
    }

    @Test
    void aDriverThatRefusedIsAskedAgainByTheTimerOfTimeouts() {
        try (Disk disk = driver.disk()) {
            refuseWithoutATimer();
            disk.submit(told.read(7));
            time.advance(SECOND);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK");
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void anAgentWhoseDriverRefusedGoesOn() {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        try (Disk disk = Disk.of(driver.queue(set, "slow"), set)) {
            refuseWithoutATimer();
            disk.submit(told.read(7));
            Eventually.until("there was no timer", () -> refused && runtime.refusalsLeft(Call.SCHEDULE) == 0);
            disk.submit(told.read(8));
            Eventually.until("both are in flight", () -> driver.inFlight().size() == 2);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK", "READ 8 OK");
        }
    }

    @Test
    void anAgentThatCannotBeStartedIsStartedLater() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        TagSet set = driver.runtime(real).completesAtOnce().tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        driver.data()[0] = 42;
        try (Disk disk = Disk.of(driver.queue(set, "slow"), set); Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(512);
            real.refuse(Call.START_AGENT, 3);
            disk.read(0, memory);
            assertThat(memory.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
            assertThat(real.refusalsLeft(Call.START_AGENT)).isZero();
        }
    }

    @Test
    void anAgentForWhichThereIsNoTimerEitherIsStartedByThatOfTimeouts() {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        try (Disk disk = Disk.of(driver.queue(set, "slow"), set)) {
            // Sets the timer of time-outs, and leaves the agent for later.
            disk.queue().hardwareContext(0).stop();
            runtime.refuse(Call.START_AGENT, 1);
            disk.submit(told.read(7));
            time.advance(DispatchContext.RESOURCE_DELAY_NANOS);
            runtime.refuse(Call.START_AGENT, 1);
            runtime.refuse(Call.SCHEDULE, 1);
            disk.queue().hardwareContext(0).start();
            time.advance(SECOND);
            Eventually.until("it is in flight", () -> driver.inFlight().size() == 1);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK");
        }
    }

    /** Refuses all threads for timers and agents until it has been asked for one so often. */
    private static void refuseUntilAsked(ScantRuntime real, Call call, int times) {
        for (Call each : new Call[]{Call.SCHEDULE, Call.START_AGENT}) {
            real.refuse(each, Integer.MAX_VALUE);
        }
        Thread.ofPlatform().daemon().start(() -> {
            Eventually.until("it was asked again", () -> Integer.MAX_VALUE - real.refusalsLeft(call) >= times);
            for (Call each : Call.values()) {
                real.refuse(each, 0);
            }
        });
    }

    @Test
    void aLoneReadThatTheDriverRefusedEndsOnceThereAreThreadsAgain() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        driver.runtime(real).completesAtOnce().answer(Status.RESOURCE).answer(Status.RESOURCE);
        try (Disk disk = driver.disk(); Arena arena = Arena.ofShared()) {
            // The time-outs' timer and the context's, and each again.
            refuseUntilAsked(real, Call.SCHEDULE, 4);
            disk.read(0, arena.allocate(512));
            assertThat(driver.inFlight()).isEmpty();
        }
    }

    @Test
    void nothingIsOwedToAQueueThatIsClosed() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        driver.runtime(real).completesAtOnce();
        try (Disk disk = driver.disk(); Arena arena = Arena.ofShared()) {
            real.refuse(Call.SCHEDULE, Integer.MAX_VALUE);
            disk.read(0, arena.allocate(512));
            assertThat(OwedTimers.isAny(real)).isTrue();
        }
        assertThat(OwedTimers.isAny(real)).isFalse();
    }

    @Test
    void aLoneFutureThatTheDriverRefusedIsDoneOnceThereAreThreadsAgain() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        driver.runtime(real).completesAtOnce().answer(Status.RESOURCE).answer(Status.RESOURCE);
        try (Disk disk = driver.disk(); Arena arena = Arena.ofShared()) {
            refuseUntilAsked(real, Call.SCHEDULE, 4);
            assertThat(disk.async().read(0, arena.allocate(512)).get()).isNull();
            assertThat(driver.inFlight()).isEmpty();
        }
    }

    @Test
    void aLoneReadWhoseAgentCannotBeStartedEndsOnceThereAreThreadsAgain() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        TagSet set = driver.runtime(real).completesAtOnce().tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        try (Disk disk = Disk.of(driver.queue(set, "slow"), set); Arena arena = Arena.ofShared()) {
            refuseUntilAsked(real, Call.SCHEDULE, 4);
            disk.read(0, arena.allocate(512));
            assertThat(driver.inFlight()).isEmpty();
        }
    }

    @Test
    void theLogIsToldOnceThatThereIsNoThreadForATimer() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        try (Disk disk = driver.runtime(real).completesAtOnce().disk(); Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(512);
            real.refuse(Call.SCHEDULE, Integer.MAX_VALUE);
            long reported = CallbackFailures.count();
            for (int i = 0; i < 1_000; i++) {
                disk.read(0, memory);
            }
            assertThat(CallbackFailures.count() - reported).isOne();
            assertThat(Integer.MAX_VALUE - real.refusalsLeft(Call.SCHEDULE)).as("times it was asked").isLessThan(500);
            real.refuse(Call.SCHEDULE, 0);
        }
    }

    @Test
    void theLogIsToldOnceThatAnAgentCannotBeStarted() {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        try (Disk disk = Disk.of(driver.queue(set, "slow"), set)) {
            runtime.refuse(Call.START_AGENT, 3);
            long reported = CallbackFailures.count();
            for (int i = 0; i < 8; i++) {
                disk.submit(told.read(i));
            }
            assertThat(runtime.refusalsLeft(Call.START_AGENT)).as("of 3, tried once").isEqualTo(2);
            time.advance(10 * DispatchContext.RESOURCE_DELAY_NANOS);
            assertThat(runtime.refusalsLeft(Call.START_AGENT)).isZero();
            assertThat(CallbackFailures.count() - reported).isOne();
            Eventually.until("all are in flight", () -> driver.inFlight().size() == 8);
            driver.completeAll();
        }
    }

    @Test
    void whatADriverHasRequeuedIsKickedThoughItsTimerCouldNotBeSet() throws Exception {
        ScantRuntime real = new ScantRuntime(IoRuntime.system());
        driver.runtime(real).completesAtOnce().answerBy(rq -> {
            real.refuse(Call.SCHEDULE, 1);
            rq.requeue(rq.generation(), false);
            rq.queue().delayKickRequeueList(1_000);
            return Status.OK;
        });
        try (Disk disk = driver.disk(); Arena arena = Arena.ofShared()) {
            disk.read(0, arena.allocate(512));
            assertThat(real.refusalsLeft(Call.SCHEDULE)).isZero();
        }
    }

    @Test
    void aContextThatIsToRunElsewhereRunsThoughThereIsNoThreadForIt() {
        try (Disk disk = driver.disk()) {
            DispatchContext hctx = (DispatchContext) disk.queue().hardwareContext(0);
            driver.answer(Status.DEV_RESOURCE).answer(Status.DEV_RESOURCE);
            disk.submit(told.read(7));
            runtime.refuse(Call.EXECUTE, 1);
            hctx.runAsync();
            runtime.refuse(Call.SCHEDULE, 1);
            hctx.runLater(1_000);
            time.advance(2 * SECOND);
            assertThat(driver.inFlight()).hasSize(1);
            driver.completeAll();
        }
    }
}
