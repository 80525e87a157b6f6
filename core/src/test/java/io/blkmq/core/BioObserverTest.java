package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Who observes a queue sees each bio as it was submitted, and is told its end before its submitter is. */
@NoRescues
class BioObserverTest {
    private static final MemorySegment PAGE = MemorySegment.ofArray(new byte[4096]);

    /** Notes what it sees. */
    private static final class Notes implements BioObserver {
        private final String name;
        private final List<String> lines;

        Notes(String name, List<String> lines) {
            this.name = name;
            this.lines = lines;
        }

        @Override
        public @Nullable End submitted(Bio bio) {
            assertThat(bio.isInFlight()).isTrue();
            lines.add(name + bio.operation() + " " + bio.deviceSector() + " " + bio.bytes() + " " + bio.flags());
            return (ended, status) -> {
                assertThat(ended).isSameAs(bio);
                assertThat(ended.isInFlight()).isTrue();
                lines.add(name + "ended " + status);
            };
        }
    }

    private final List<String> seen = new ArrayList<>();

    private static Disk disk() throws IOException {
        return NullBlk.builder().completion(Completion.INLINE).memoryBacked(true).cacheBytes(1 << 20).build();
    }

    @Test
    void anObserverSeesEveryFormOfIoAsItWasSubmitted() throws Exception {
        try (Disk disk = disk()) {
            disk.queue().addObserver(new Notes("", seen));
            disk.write(8192, PAGE, Bio.PREFLUSH | Bio.FUA);
            disk.read(0, PAGE);
            disk.flush();
            disk.async().read(4096, PAGE).join();
            try (Plug plug = disk.plug(); IoBuffer buffer = disk.allocate(512)) {
                plug.submit(new Bio(1).reset(Operation.READ, 3).add(buffer.memory()));
            }
        }
        assertThat(seen).containsExactly("WRITE 16 4096 3", "ended OK", "READ 0 4096 0", "ended OK", "FLUSH 0 0 0",
                "ended OK", "READ 8 4096 0", "ended OK", "READ 3 512 0", "ended OK");
    }

    @Test
    void anObserverSeesABioThatIsCutOnceAndOneOfAPartitionWhereItLiesOnTheDevice() throws Exception {
        RecordingDriver driver = new RecordingDriver().completesAtOnce().limits(limits -> limits.requestBytesMax(1024));
        try (Disk disk = driver.disk(); Disk partition = disk.partition("part", 1 << 16, 1 << 16)) {
            disk.queue().addObserver(new Notes("", seen));
            partition.read(512, PAGE);
            assertThat(driver.log()).as("requests").hasSizeGreaterThanOrEqualTo(4);
        }
        assertThat(seen).containsExactly("READ 129 4096 0", "ended OK");
    }

    @Test
    void theObserverIsToldBeforeTheSubmitterAndAlsoOfABioThatFails() throws Exception {
        try (Disk disk = disk(); IoBuffer buffer = disk.allocate(512)) {
            disk.queue().addObserver(new Notes("", seen));
            Bio bio = new Bio(1).reset(Operation.READ, 0).add(buffer.memory());
            disk.submit(bio.onEnd(_ -> seen.add("told")));
            disk.submit(bio.onEnd(_ -> seen.add("told again")));
            disk.queue().freezeStart();
            disk.submit(bio.flags(Bio.NOWAIT).onEnd(ended -> seen.add("told " + ended.status())));
            disk.queue().unfreeze();
        }
        assertThat(seen).containsExactly("READ 0 512 0", "ended OK", "told", "READ 0 512 0", "ended OK", "told again",
                "READ 0 512 4", "ended AGAIN", "told AGAIN");
    }

    @Test
    void severalObserversSeeInTheirOrderAndOneThatIsRemovedSeesNoMore() throws Exception {
        try (Disk disk = disk()) {
            Notes first = new Notes("1:", seen);
            Notes second = new Notes("2:", seen);
            disk.queue().addObserver(first);
            disk.queue().addObserver(second);
            disk.queue().addObserver(_ -> null);
            disk.flush();
            disk.queue().removeObserver(first);
            disk.queue().removeObserver(first);
            disk.flush();
            disk.queue().removeObserver(second);
            disk.flush();
        }
        assertThat(seen).containsExactly("1:FLUSH 0 0 0", "2:FLUSH 0 0 0", "1:ended OK", "2:ended OK", "2:FLUSH 0 0 0",
                "2:ended OK");
    }

    @Test
    void anObserverThatIsRemovedIsStillToldTheEndOfWhatItHasSeen() throws Exception {
        try (Disk disk = NullBlk.builder().build(); IoBuffer buffer = disk.allocate(512)) {
            Notes notes = new Notes("", seen);
            disk.queue().addObserver(notes);
            disk.submit(new Bio(1).reset(Operation.READ, 0).add(buffer.memory()));
            disk.queue().removeObserver(notes);
            assertThat(disk.poll()).isEqualTo(1);
        }
        assertThat(seen).containsExactly("READ 0 512 0", "ended OK");
    }

    @Test
    void whatAnObserverThrowsConcernsNoBioAndNoOtherObserver() throws Exception {
        try (Disk disk = disk()) {
            disk.queue().addObserver(_ -> {
                throw new IllegalStateException("on purpose: submitted");
            });
            disk.flush();
            disk.queue().addObserver(_ -> (_, _) -> {
                throw new IllegalStateException("on purpose: ended");
            });
            disk.queue().addObserver(new Notes("", seen));
            disk.flush();
        }
        assertThat(seen).containsExactly("FLUSH 0 0 0", "ended OK");
    }
}
