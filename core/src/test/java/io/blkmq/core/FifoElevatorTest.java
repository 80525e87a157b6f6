package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.Request;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** An elevator of a user's own: the example of docs/guide/elevators.md. */
@NoRescues
class FifoElevatorTest {
    // begin of the example
    /** Gives requests out in the order in which they came, and counts them. */
    static final class Fifo implements Elevator {
        private final Lock lock;
        private final Deque<Request> waiting = new ArrayDeque<>();
        /** Written under the lock, read without. */
        private volatile int count;
        private volatile long given;

        Fifo(ElevatorQueue queue) {
            lock = queue.runtime().newLock();
        }

        @Override
        public Lock lock(int hctx) {
            return lock;
        }

        @Override
        public void insert(int hctx, Request rq, boolean atHead, long nowNanos) {
            if (atHead) {
                waiting.addFirst(rq);
            } else {
                waiting.addLast(rq);
            }
            count = waiting.size();
        }

        @Override
        public @Nullable Request dispatch(int hctx, long nowNanos) {
            Request rq = waiting.pollFirst();
            count = waiting.size();
            long before = given;
            given = rq == null ? before : before + 1;
            return rq;
        }

        @Override
        public boolean hasWork(int hctx) {
            return count > 0;
        }

        @Override
        public @Nullable Request endingAt(int hctx, Bio bio) {
            Request newest = waiting.peekLast();
            return newest != null && newest.sector() + newest.bytes() / 512 == bio.sector() ? newest : null;
        }

        @Override
        public @Nullable Request beginningAt(int hctx, Bio bio) {
            return null;
        }

        @Override
        public @Nullable Request following(int hctx, Request rq) {
            return null;
        }

        @Override
        public @Nullable Request preceding(int hctx, Request rq) {
            return null;
        }

        @Override
        public void merged(int hctx, Request rq, boolean atFront) {}

        @Override
        public void absorbed(int hctx, Request kept, Request gone) {
            throw new AssertionError("it names no two requests that could be merged");
        }

        @Override
        public Map<String, ElevatorAttribute> attributes() {
            return Map.of("given",
                    new ElevatorAttribute("given", "", 0, Long.MAX_VALUE, () -> given, value -> given = value));
        }

        @Override
        public String toString() {
            return "fifo: " + count + " waiting";
        }
    }

    /** How it is found: registered here, or named in META-INF/services or a module's "provides". */
    static final class FifoType implements ElevatorType {
        @Override
        public String name() {
            return "fifo";
        }

        @Override
        public Elevator create(ElevatorQueue queue) {
            return new Fifo(queue);
        }
    }
    // end of the example

    @Test
    void thePageOnElevatorsQuotesIt() throws IOException {
        String source = Files.readString(Path.of("src/test/java/io/blkmq/core/FifoElevatorTest.java"));
        String example = source.substring(source.indexOf("// begin of the example\n") + 24,
                source.indexOf("    // end of the example"));
        assertThat(Files.readString(Path.of("../docs/guide/elevators.md")))
                .contains(example.stripTrailing().stripIndent());
    }

    @Test
    void itOrdersTheRequestsOfADisk() throws IOException {
        Elevators.register(new FifoType());
        List<Long> told = new ArrayList<>();
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).memoryBacked(true).depth(1).build();
                IoBuffer buffer = disk.allocate(4096)) {
            disk.queue().setElevator("fifo");
            disk.queue().quiesce();
            for (long sector : new long[]{80, 8, 16, 72}) {
                disk.submit(new Bio(1).reset(Operation.WRITE, sector).add(buffer.memory())
                        .onEnd(bio -> told.add(bio.sector())));
            }
            assertThat(disk.queue().dump()).contains("fifo: 3 waiting");
            disk.queue().unquiesce();
            assertThat(told).containsExactly(80L, 8L, 16L, 72L);
            assertThat(disk.statistics().merges(IoGroup.WRITE)).as("8 and 16 went as one").isOne();
            assertThat(Objects.requireNonNull(disk.queue().elevatorAttributes().get("given")).get()).isEqualTo("3");
        }
    }
}
