package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is thrown while a simulated disk has a request fails the request, and leaves nothing of it in flight. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DeviceFailuresTest {
    private static final int SECTOR = 512;
    /** No timer of the block layer's has such a delay. */
    private static final long LATENCY_NANOS = 1_234_567;
    /** How often a request that hangs looks whether its queue is being closed. */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** The system's runtime, without a thread for some timers of one delay. */
    private static IoRuntime without(long delayNanos, int from, int times) {
        AtomicInteger asked = new AtomicInteger();
        return (IoRuntime) Proxy.newProxyInstance(IoRuntime.class.getClassLoader(), new Class<?>[]{IoRuntime.class},
                (_, method, arguments) -> {
                    if (method.getName().equals("schedule") && (Long) arguments[0] == delayNanos) {
                        int number = asked.getAndIncrement();
                        if (number >= from && number < from + times) {
                            throw new OutOfMemoryError("unable to create native thread: on purpose");
                        }
                    }
                    try {
                        return method.invoke(IoRuntime.system(), arguments);
                    } catch (InvocationTargetException e) {
                        throw Objects.requireNonNull(e.getCause());
                    }
                });
    }

    private static SimulatedDisk.Builder small() {
        return SimulatedDisk.builder().capacityBytes(64 << 10);
    }

    private static MemorySegment sector() {
        return MemorySegment.ofArray(new byte[SECTOR]);
    }

    private static Status statusOf(CompletableFuture<?> future) {
        try {
            var _ = future.join();
            return Status.OK;
        } catch (CompletionException e) {
            return ((BlockIOException) Objects.requireNonNull(e.getCause())).status();
        }
    }

    private static void assertFailedAlone(SimulatedDisk simulated) throws IOException {
        assertThat(simulated.inFlight()).isZero();
        assertThat(simulated.lastRequests()).extracting(SeenRequest::status).containsExactly(Status.IOERR);
        simulated.disk().write(0, sector());
        simulated.disk().flush();
        assertThat(simulated.isDurable(0, SECTOR)).isTrue();
    }

    @Test
    void aRequestWithoutATimerFails() throws IOException {
        try (SimulatedDisk simulated = small().latency(LatencyModel.fixed(LATENCY_NANOS))
                .runtime(without(LATENCY_NANOS, 0, 1)).build()) {
            assertThat(statusOf(simulated.disk().async().write(0, sector()))).isEqualTo(Status.IOERR);
            assertFailedAlone(simulated);
        }
    }

    @Test
    void aRequestThatHangsAndCannotBeLookedAfterFails() throws IOException {
        for (int looks = 0; looks < 2; looks++) {
            try (SimulatedDisk simulated = small().runtime(without(LOOK_NANOS, looks, 1)).build()) {
                FaultRule _ = simulated.faults().add(FaultRule.on(Operation.WRITE).times(1).then(Fault.hang()));
                assertThat(statusOf(simulated.disk().async().write(0, sector()))).isEqualTo(Status.IOERR);
                assertFailedAlone(simulated);
            }
        }
    }

    @Test
    void aRequestOfWhichTheModelOfItsLatencyThrowsFails() throws IOException {
        AtomicInteger asked = new AtomicInteger();
        LatencyModel model = (_, _) -> {
            if (asked.getAndIncrement() == 0) {
                throw new IllegalStateException("on purpose");
            }
            return 0;
        };
        try (SimulatedDisk simulated = small().latency(model).build()) {
            assertThat(statusOf(simulated.disk().async().write(0, sector()))).isEqualTo(Status.IOERR);
            assertFailedAlone(simulated);
        }
    }

    @Test
    void aRequestWhoseMemoryIsClosedBeforeItIsCarriedOutFails() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            FaultRule _ = simulated.faults().add(FaultRule.on(Operation.READ).times(1).then(Fault.hang()));
            CompletableFuture<Void> read;
            try (Arena arena = Arena.ofShared()) {
                read = simulated.disk().async().read(0, arena.allocate(SECTOR));
            }
            assertThatThrownBy(simulated.faults()::release).isInstanceOf(IllegalStateException.class);
            assertThat(statusOf(read)).isEqualTo(Status.IOERR);
            assertFailedAlone(simulated);
        }
    }
}
