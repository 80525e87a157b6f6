package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What is logged of a callback that throws says of which device, which operation and where. */
@NoRescues
class FailureMessagesTest {
    private static final String REQUEST = " of rec0 (READ, sector 9, 512 bytes";

    private final ManualRuntime time = new ManualRuntime();
    private final RecordingDriver driver = new RecordingDriver().runtime(time);
    private final Told told = new Told();

    private static RuntimeException onPurpose() {
        return new IllegalArgumentException("on purpose");
    }

    @Test
    void aDriverThatThrowsWhenItIsGivenARequest() {
        try (Disk disk = driver.answerBy(_ -> {
            throw onPurpose();
        }).disk()) {
            disk.submit(told.read(9));
            assertThat(told.ends()).containsExactly("READ 9 IOERR");
            assertThat(CallbackFailures.latest()).startsWith("queueRq of request ").contains(REQUEST)
                    .contains("on purpose");
        }
    }

    @Test
    void aDriverThatThrowsWhenItEndsARequest() {
        RecordingDriver throwing = new RecordingDriver() {
            @Override
            public void complete(Request rq) {
                throw onPurpose();
            }
        };
        try (Disk disk = throwing.disk()) {
            disk.submit(told.read(9));
            throwing.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 9 IOERR");
            assertThat(CallbackFailures.latest()).startsWith("complete of request ").contains(REQUEST);
        }
    }

    @Test
    void aDriverThatThrowsWhenItIsAskedAboutATimeout() {
        driver.onTimeout(_ -> {
            throw onPurpose();
        });
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(9));
            time.advance(TimeUnit.SECONDS.toNanos(32));
            assertThat(CallbackFailures.latest()).startsWith("timeout of request ").contains(REQUEST);
            driver.completeAll();
        }
    }

    @Test
    void aCompletionThatThrows() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(9).onEnd(_ -> {
                throw onPurpose();
            }));
            driver.completeAll();
            assertThat(CallbackFailures.latest()).startsWith("completion of a bio of rec0 (READ sector 9, 512 bytes");
        }
    }

    @Test
    void aCompletionThatThrowsOfABioThatHadNoRequest() {
        try (Disk disk = driver.disk()) {
            disk.freeze();
            disk.submit(told.read(9).flags(Bio.NOWAIT).onEnd(_ -> {
                throw onPurpose();
            }));
            assertThat(CallbackFailures.latest()).startsWith("completion of a bio of rec0 (READ sector 9, 512 bytes")
                    .contains("AGAIN");
            disk.unfreeze();
        }
    }

    @Test
    void aCompletionThatThrowsOfABioThatWasCut() {
        driver.limits(limits -> limits.segmentBytesMax(4096).segmentsMax(1));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(8192)) {
            disk.submit(new Bio(1).reset(Operation.READ, 9).add(buffer.memory(), 0, 8192).onEnd(_ -> {
                throw onPurpose();
            }));
            driver.completeAll();
            assertThat(CallbackFailures.latest()).startsWith("completion of a bio of rec0 (READ sector 9, 8192 bytes");
        }
    }

    @Test
    void memoryThatIsGoneWhenItIsCopiedTo() {
        driver.limits(limits -> limits.dmaAlignmentBytes(512));
        try (Disk disk = driver.disk()) {
            try (Arena arena = Arena.ofShared()) {
                disk.submit(new Bio().reset(Operation.READ, 9).add(arena.allocate(512)).onEnd(told));
            }
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 9 IOERR");
            assertThat(CallbackFailures.latest())
                    .startsWith("copy to the memory of a bio of rec0 (READ sector 9, 512 bytes");
        }
    }

    @Test
    void anObserverThatThrows() {
        try (Disk disk = driver.disk()) {
            disk.queue().addObserver(_ -> {
                throw onPurpose();
            });
            disk.submit(told.read(9));
            assertThat(CallbackFailures.latest()).startsWith("observer of a bio of rec0 (READ sector 9, 512 bytes");
            driver.completeAll();
        }
    }

    @Test
    void anObserverThatThrowsAtTheEnd() {
        try (Disk disk = driver.disk()) {
            disk.queue().addObserver(_ -> (_, _) -> {
                throw onPurpose();
            });
            disk.submit(told.read(17));
            driver.completeAll();
            assertThat(CallbackFailures.latest()).startsWith("observer of a bio of rec0 (READ sector 17, 512 bytes");
        }
    }
}
