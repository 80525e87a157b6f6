package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Entering a ring: the first call keeps no errno, and a second one, without a wait, tells what was the matter. */
class UringEnterTest {
    private static final int EBADR = 53;
    private static final long MILLISECOND = 1_000_000;

    @BeforeEach
    void requireRings() {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
    }

    /** One whose kernel has dropped completions. */
    private static final class DroppingRing extends Uring {
        DroppingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int droppedCompletions() {
            return 3;
        }
    }

    @Test
    void anErrorIsTold() throws IOException {
        Uring ring = Uring.open(2, new int[]{0});
        try {
            assertThat(ring.enter(0, 0, 1 << 30)).isEqualTo(-Errno.EINVAL);
            assertThat(ring.droppedCompletions()).isZero();
        } finally {
            ring.close();
        }
    }

    @Test
    void aWaitThatWasInVainEndsAndTakesTheEntries() throws IOException {
        Uring ring = Uring.open(2, new int[]{0});
        try {
            assertThat(ring.hasTimedWait()).isTrue();
            assertThat(ring.enterAndWait(0, 0, MILLISECOND)).isZero();
            ring.put(Uring.head(Uring.OP_NOP, 0, -1), 0, 0, 0, 7, 0);
            ring.publish();
            assertThat(ring.enterAndWait(1, 0, MILLISECOND)).isEqualTo(1);
            assertThat(ring.ready()).isEqualTo(1);
            assertThat(ring.completionUserData()).isEqualTo(7);
        } finally {
            ring.close();
        }
    }

    @Test
    void droppedCompletionsAreToldThoughTheKernelTellsOnce() throws IOException {
        Uring ring = Uring.open(2, new int[]{0}, DroppingRing::new);
        try {
            assertThat(ring.enter(0, 0, 0)).as("nothing failed").isZero();
            assertThat(ring.enterAndWait(0, 0, MILLISECOND)).isEqualTo(-EBADR);
        } finally {
            ring.close();
        }
    }
}
