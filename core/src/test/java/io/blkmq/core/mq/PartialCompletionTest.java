package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Requests that end in part and go to the driver again with what is left. */
@NoRescues
class PartialCompletionTest {
    private final Told told = new Told();
    /** What the next completions do: so many bytes, how they went. */
    private final Deque<Long> parts = new ArrayDeque<>();
    private final List<IllegalArgumentException> refusals = new ArrayList<>();
    private Status ofPart = Status.OK;
    private final List<List<String>> toldInUpdate = new ArrayList<>();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public void complete(Request rq) {
            Long part = parts.pollFirst();
            if (part == null) {
                rq.end(rq.status());
                return;
            }
            try {
                boolean left = rq.update(ofPart, part);
                toldInUpdate.add(told.ends());
                if (left) {
                    rq.requeueCompleted(true);
                } else {
                    rq.end(Status.OK);
                }
            } catch (IllegalArgumentException refusal) {
                refusals.add(refusal);
                rq.end(Status.OK);
            }
        }
    };

    private Bio read(IoBuffer memory) {
        return new Bio(1).reset(Operation.READ, 8).add(memory.memory(), 0, 2048).onEnd(told);
    }

    @Test
    void whatIsLeftGoesToTheDriverAgainAndTheBioEndsOnce() {
        try (Disk disk = driver.disk(); IoBuffer memory = IoBuffer.allocate(2048)) {
            parts.add(512L);
            parts.add(1024L);
            disk.submit(read(memory));
            Request rq = driver.inFlight().getFirst();
            driver.complete(Status.OK);
            assertThat(rq.sector()).isEqualTo(9);
            assertThat(rq.bytes()).isEqualTo(1536);
            List<String> segments = new ArrayList<>();
            rq.forEachSegment((_, offset, bytes) -> segments.add(offset + "+" + bytes));
            assertThat(segments).containsExactly("512+1536");
            driver.complete(Status.OK);
            assertThat(rq.sector()).isEqualTo(11);
            assertThat(told.ends()).isEmpty();
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 8 OK");
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void anErrorOfOnePartIsTheBiosEnd() {
        try (Disk disk = driver.disk(); IoBuffer memory = IoBuffer.allocate(2048)) {
            ofPart = Status.MEDIUM;
            parts.add(512L);
            disk.submit(read(memory));
            driver.complete(Status.OK);
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 8 MEDIUM");
        }
    }

    @Test
    void aRequestThatIsDoneInFullIsEndedAllTheSameAndItsTagIsFree() {
        try (Disk disk = driver.disk(); IoBuffer memory = IoBuffer.allocate(2048)) {
            parts.add(2048L);
            disk.submit(read(memory));
            driver.complete(Status.OK);
            assertThat(toldInUpdate).containsExactly(List.of("READ 8 OK"));
            assertThat(told.ends()).isEmpty();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void withinQueueRqNoBioIsTold() {
        try (Disk disk = driver.completesAtOnce().disk(); IoBuffer memory = IoBuffer.allocate(2048)) {
            parts.add(2048L);
            disk.submit(read(memory));
            assertThat(toldInUpdate).containsExactly(List.of());
            assertThat(told.ends()).containsExactly("READ 8 OK");
        }
    }

    @Test
    void wrongNumbersOfBytesAreRefusedWithTheirLimits() {
        try (Disk disk = driver.disk(); IoBuffer memory = IoBuffer.allocate(2048)) {
            for (long wrong : new long[]{-512, 2560, 100}) {
                parts.add(wrong);
                disk.submit(read(memory));
                driver.complete(Status.OK);
            }
            assertThat(refusals).hasSize(3);
            assertThat(refusals.get(0)).hasMessageEndingWith("-512 bytes done: 0 to 2048 are possible");
            assertThat(refusals.get(1)).hasMessageEndingWith("2560 bytes done: 0 to 2048 are possible");
            assertThat(refusals.get(2))
                    .hasMessageEndingWith("100 bytes done: not a multiple of the block size of 512 bytes");
        }
    }

    @Test
    void aBouncedReadHasAllItsData() {
        try (Disk disk = driver.disk()) {
            for (int i = 0; i < 2048; i++) {
                driver.data()[4096 + i] = (byte) (i / 7);
            }
            byte[] memory = new byte[2048];
            parts.add(512L);
            disk.submit(new Bio(1).reset(Operation.READ, 8).add(java.lang.foreign.MemorySegment.ofArray(memory))
                    .onEnd(told));
            driver.complete(Status.OK);
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 8 OK");
            assertThat(disk.queue().bounces()).isOne();
            assertThat(memory).containsExactly(java.util.Arrays.copyOfRange(driver.data(), 4096, 4096 + 2048));
        }
    }
}
