package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NoRescues
class BioTest {
    private final MemorySegment memory = MemorySegment.ofArray(new byte[1024]);

    @Test
    void describesOneOperation() {
        Object mine = new Object();
        Bio bio = new Bio(2).reset(Operation.WRITE, 7).add(memory).add(memory, 512, 256).flags(Bio.FUA).attach(mine);
        assertThat(bio.operation()).isEqualTo(Operation.WRITE);
        assertThat(bio.sector()).isEqualTo(7);
        assertThat(bio.bytes()).isEqualTo(1280);
        assertThat(bio.vecCount()).isEqualTo(2);
        assertThat(bio.vec(1).offset()).isEqualTo(512);
        assertThat(bio.vec(1).bytes()).isEqualTo(256);
        assertThat(bio.flags()).isEqualTo(Bio.FUA);
        assertThat(bio.attachment()).isSameAs(mine);
        assertThat(bio.isInFlight()).isFalse();
        assertThat(bio).hasToString("WRITE sector 7, 1280 bytes in 2 pieces, flags 0x2, OK");
    }

    @Test
    void aResetForgetsMemoryAndFlagsAndKeepsTheAttachment() {
        Bio bio = new Bio(1).reset(Operation.WRITE, 7).add(memory).flags(Bio.FUA).attach("mine");
        bio.reset(Operation.READ, 8);
        assertThat(bio.vecCount()).isZero();
        assertThat(bio.bytes()).isZero();
        assertThat(bio.flags()).isZero();
        assertThat(bio.attachment()).isEqualTo("mine");
        bio.add(memory).retarget(Operation.WRITE, 9);
        assertThat(bio.bytes()).isEqualTo(1024);
        assertThat(bio.sector()).isEqualTo(9);
    }

    @Test
    void aNegativeNumberOfPiecesIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Bio(-1)).withMessageContaining("-1");
    }

    @Test
    void memoryOverItsRoomIsRefused() {
        Bio bio = new Bio(1).add(memory);
        assertThatIllegalStateException().isThrownBy(() -> bio.add(memory)).withMessageContaining("1 pieces");
        assertThatIllegalStateException().isThrownBy(() -> new Bio(0).add(memory)).withMessageContaining("0 pieces");
        assertThat(bio.bytes()).isEqualTo(1024);
    }

    @Test
    void memoryOfNothingIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Bio().add(memory, 3, 0))
                .withMessageContaining("0 bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> new Bio().add(MemorySegment.NULL));
    }

    @Test
    void memoryOverTwoGibibytesIsRefused(@TempDir Path folder) throws IOException {
        // A hole in a file: it takes no room.
        try (Arena arena = Arena.ofShared();
                FileChannel file = FileChannel.open(folder.resolve("hole"), StandardOpenOption.CREATE,
                        StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment huge = file.map(FileChannel.MapMode.READ_WRITE, 0, 3L << 30, arena);
            assertThatIllegalArgumentException().isThrownBy(() -> new Bio().add(huge))
                    .withMessage("memory of 3221225472 bytes: 1 to 2147483647 are possible");
        }
    }

    @Test
    void aPartOutsideTheMemoryIsRefused() {
        for (long[] part : new long[][]{{-1, 5}, {0, 1025}, {1024, 1}, {5, -1}, {Long.MAX_VALUE, 1}}) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> new Bio().add(memory, part[0], part[1]));
        }
    }

    @Test
    void unknownFlagsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Bio().flags(1 << 20 | Bio.FUA))
                .withMessage("unknown flags 0x100000");
    }

    @Test
    void theLengthOfABioWithMemoryCannotBeSet() {
        assertThatIllegalStateException().isThrownBy(() -> new Bio().add(memory).length(512))
                .withMessageContaining("sum of its memory");
    }

    @Test
    void aPieceThatIsNotThereIsRefused() {
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> new Bio(3).add(memory).vec(1));
    }

    @Test
    void aBioInFlightCannotBeChangedOrSubmittedAgain() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            Bio bio = new Bio(2).reset(Operation.READ, 0).add(memory);
            disk.submit(bio);
            assertThat(bio.isInFlight()).isTrue();
            for (Runnable change : new Runnable[]{() -> bio.reset(Operation.READ, 0), () -> bio.add(memory),
                    () -> bio.flags(0), () -> bio.length(0), () -> bio.retarget(Operation.WRITE, 1),
                    () -> bio.onEnd(null), () -> disk.submit(bio), () -> disk.plug().submit(bio)}) {
                assertThatIllegalStateException().isThrownBy(change::run).withMessageContaining("in flight");
            }
            assertThat(driver.completeAll()).isOne();
            assertThat(bio.isInFlight()).isFalse();
            disk.submit(bio);
            assertThat(driver.completeAll()).isOne();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }
}
