package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.TransferOptions;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Each place in which a thread polls lets it idle as its runtime likes: {@link IoRuntime#idlingBy}. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class IdlingTest {
    private static final long REST = TimeUnit.MILLISECONDS.toNanos(1);

    /** How many rests an operation of the device takes. */
    private static final int RESTS = 20;

    @RegisterExtension
    final Simulation simulation = new Simulation(IdlingTest.class);

    private final Told told = new Told();
    private final List<Integer> found = new ArrayList<>();
    private final SlowDevice device = new SlowDevice(simulation.runtime());

    /** The runtime of the test, whose threads rest for a fixed time after a look that found nothing. */
    private final IoRuntime restful = simulation.runtime().idlingBy(() -> completions -> {
        found.add(completions);
        if (completions == 0) {
            simulation.runtime().parkNanos(this, REST);
        }
    });

    /** A polled device with one owner, whose operations end some time after they have come. */
    private static final class SlowDevice implements BlockDriver {
        private record Due(Request rq, long at) {}

        private final IoRuntime clock;
        private final Queue<Due> taken = new ArrayDeque<>();
        int looks;

        SlowDevice(IoRuntime clock) {
            this.clock = clock;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            taken.add(new Due(rq, clock.nanoTime() + RESTS * REST));
            return Status.OK;
        }

        @Override
        public int poll(HardwareContext hctx, SoftwareContext ctx) {
            looks++;
            int ended = 0;
            for (Due next = taken.peek(); next != null && next.at - clock.nanoTime() <= 0; next = taken.peek()) {
                taken.remove();
                next.rq.complete(Status.OK);
                ended++;
            }
            return ended;
        }
    }

    private Disk disk(int depth) throws IOException {
        TagSet set = TagSet.builder(device).runtime(restful).flag(TagSet.Flag.POLLED).depth(depth).build();
        return Disk.of(OwnedDevice.queue(set, "q"), set);
    }

    private long rests() {
        return found.stream().filter(completions -> completions == 0).count();
    }

    /** One wait of the length of an operation: a rest before each look but few, and a completion that was found. */
    private void assertRested() {
        assertThat(device.looks).as("looks at the device").isBetween(RESTS, RESTS + 8);
        assertThat(rests()).isBetween(RESTS - 2L, RESTS + 8L);
        assertThat(found).as("what each look had found").anyMatch(completions -> completions > 0);
    }

    @Test
    void anOperation() throws IOException {
        Disk disk = disk(4);
        try (IoBuffer buffer = disk.allocate(512)) {
            disk.read(0, buffer.memory());
        }
        assertRested();
        disk.close();
    }

    @Test
    void aTag() throws IOException {
        Disk disk = disk(1);
        disk.submit(told.read(0));
        disk.submit(told.read(1));
        assertThat(told.ends()).containsExactly("READ 0 OK");
        assertRested();
        disk.close();
    }

    @Test
    void theGate() throws IOException {
        Disk disk = disk(4);
        disk.submit(told.read(0));
        disk.freeze();
        assertThat(told.ends()).containsExactly("READ 0 OK");
        assertRested();
        disk.unfreeze();
        disk.close();
    }

    @Test
    void aTransfer() throws IOException {
        Disk disk = disk(4);
        disk.startTransfer(0, 512, disk, 4096, TransferOptions.DEFAULT).await();
        assertThat(rests()).as("a read, and a write after it").isBetween(2 * RESTS - 4L, 2 * RESTS + 8L);
        assertThat(found).anyMatch(completions -> completions > 0);
        disk.close();
    }

    @Test
    void blocksThatAnotherWriteHas() throws Exception {
        Disk disk = disk(4);
        try (AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
            // Part of a block: it is read, changed and written.
            Future<Integer> first = channel.write(ByteBuffer.allocate(100), 0);
            assertThat(disk.openChannel().write(ByteBuffer.allocate(100), 200)).isEqualTo(100);
            assertThat(first.get()).isEqualTo(100);
        }
        assertThat(device.looks).as("four operations, one after the other").isBetween(4 * RESTS, 4 * RESTS + 32);
        assertThat(rests()).isGreaterThan(4 * RESTS - 8L);
        disk.close();
    }

    @Test
    void aWayThatFailsIsLeftAndNothingIsLost() throws IOException {
        int[] made = {0};
        IoRuntime failing = simulation.runtime().idlingBy(() -> {
            made[0]++;
            return _ -> {
                throw new IllegalStateException("as planned");
            };
        });
        TagSet set = TagSet.builder(device).runtime(failing).flag(TagSet.Flag.POLLED).depth(4).build();
        Disk disk = Disk.of(OwnedDevice.queue(set, "q"), set);
        Bio bio = told.read(3);
        disk.submit(bio);
        try (IoBuffer buffer = disk.allocate(512)) {
            disk.read(0, buffer.memory());
        }
        assertThat(bio.operation()).isEqualTo(Operation.READ);
        assertThat(told.ends()).containsExactly("READ 3 OK");
        assertThat(made).as("it is tried once").containsExactly(1);
        disk.close();
    }
}
