package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a caller does wrong with a bio is refused wherever the bio is, and ends it no second time. */
@NoRescues
class MisusedBioTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    /** Everything that would change a bio or submit it once more. */
    private static void refusesEverything(Disk disk, Bio bio) {
        assertThat(bio.isInFlight()).isTrue();
        for (Runnable misuse : new Runnable[]{() -> bio.reset(Operation.READ, 0), () -> bio.length(512),
                () -> bio.flags(0), () -> bio.priority(IoPriority.NONE), () -> bio.lifetime(WriteLifetime.SHORT),
                () -> bio.retarget(Operation.READ, 1), () -> bio.onEnd(null),
                () -> bio.add(MemorySegment.ofArray(new byte[512])), () -> disk.submit(bio),
                () -> disk.plug().submit(bio)}) {
            assertThatIllegalStateException().isThrownBy(misuse::run).withMessageContaining("in flight");
        }
    }

    @Test
    @DisplayName("a bio that a plug holds back, alone or with another, is refused and ends once")
    void heldBackByAPlug() {
        driver.limits(limits -> limits.requestBytesMax(1024));
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        try (Disk disk = Disk.of(driver.queue(set, "rec0"), set)) {
            Bio first = told.read(8);
            Bio joins = told.read(9);
            Bio alone = told.read(100);
            try (Plug plug = disk.plug()) {
                List.of(first, joins, alone).forEach(plug::submit);
                List.of(first, joins, alone).forEach(bio -> refusesEverything(disk, bio));
            }
            assertThat(driver.log()).containsExactly("READ 8 more", "READ 100");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 8 OK", "READ 9 OK", "READ 100 OK");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("a bio that waits in a quiesced queue, alone or with another, is refused and ends once")
    void waiting(String elevator) {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        try (Disk disk = Disk.of(driver.queue(set, "rec0"), set)) {
            disk.queue().setElevator(elevator);
            disk.queue().quiesce();
            Bio first = told.write(8);
            Bio joins = told.write(9);
            List.of(first, joins).forEach(disk::submit);
            List.of(first, joins).forEach(bio -> refusesEverything(disk, bio));
            disk.queue().unquiesce();
            assertThat(driver.log()).containsExactly("WRITE 8");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("WRITE 8 OK", "WRITE 9 OK");
        }
    }

    @Test
    @DisplayName("a bio that has been cut is refused until its last part has ended, and ends once")
    void cut() {
        driver.limits(limits -> limits.requestBytesMax(512).segmentBytesMax(512));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(1024)) {
            Bio bio = new Bio().reset(Operation.READ, 8).add(buffer.memory()).onEnd(told);
            disk.submit(bio);
            refusesEverything(disk, bio);
            driver.complete(Status.OK);
            refusesEverything(disk, bio);
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 8 OK");
        }
    }

    @Test
    @DisplayName("pieces of memory that overlap are written one behind the other")
    void overlappingMemoryOfAWrite() {
        try (Disk disk = driver.completesAtOnce().disk(); IoBuffer buffer = disk.allocate(1536)) {
            for (int i = 0; i < 1536; i++) {
                buffer.memory().set(ValueLayout.JAVA_BYTE, i, (byte) (i / 6));
            }
            disk.submit(new Bio(2).reset(Operation.WRITE, 0).add(buffer.memory(), 0, 1024)
                    .add(buffer.memory(), 512, 1024).onEnd(told));
            assertThat(told.ends()).containsExactly("WRITE 0 OK");
            byte[] memory = buffer.memory().toArray(ValueLayout.JAVA_BYTE);
            assertThat(Arrays.copyOf(driver.data(), 1024)).isEqualTo(Arrays.copyOf(memory, 1024));
            assertThat(Arrays.copyOfRange(driver.data(), 1024, 2048)).isEqualTo(Arrays.copyOfRange(memory, 512, 1536));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    @DisplayName("where pieces of memory of a read overlap, each byte is one of the two, and nothing else is touched")
    void overlappingMemoryOfARead(boolean bounced) {
        try (Disk disk = driver.completesAtOnce().disk(); IoBuffer buffer = disk.allocate(2048)) {
            Arrays.fill(driver.data(), 0, 1024, (byte) 1);
            Arrays.fill(driver.data(), 1024, 2048, (byte) 2);
            MemorySegment memory = bounced ? MemorySegment.ofArray(new byte[2048]) : buffer.memory();
            memory.fill((byte) 9);
            disk.submit(new Bio(2).reset(Operation.READ, 0).add(memory, 0, 1024).add(memory, 512, 1024).onEnd(told));
            assertThat(told.ends()).containsExactly("READ 0 OK");
            List<Byte> bytes = new ArrayList<>();
            for (byte b : memory.toArray(ValueLayout.JAVA_BYTE)) {
                bytes.add(b);
            }
            assertThat(bytes.subList(0, 512)).containsOnly((byte) 1);
            assertThat(bytes.subList(512, 1024)).isSubsetOf((byte) 1, (byte) 2);
            assertThat(bytes.subList(1024, 1536)).containsOnly((byte) 2);
            assertThat(bytes.subList(1536, 2048)).containsOnly((byte) 9);
        }
    }
}
