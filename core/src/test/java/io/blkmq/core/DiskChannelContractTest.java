package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.channel.ChannelSubject;
import io.blkmq.testing.channel.FileChannelContract;
import io.blkmq.testing.channel.JdkSubject;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@link FileChannel} on a disk, on a file and on a loop device of the kernel. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskChannelContractTest {

    @ParameterizedTest
    @EnumSource
    void eachCallIsAnsweredAsTheTableSays(DiskSubject.Kind kind) throws Exception {
        FileChannelContract.check(DiskSubject.of(kind));
    }

    @Test
    void theTableHasEveryMethodOfTheClass() {
        FileChannelContract.coversAllOfTheClass();
    }

    @ParameterizedTest
    @EnumSource(names = {"DISK_512", "DISK_4096", "DISK_POLLED"})
    void randomCallsAreAnsweredAsByAFileOfThatSize(DiskSubject.Kind kind) throws Exception {
        FileChannelContract.answersAlike(JdkSubject.file(), DiskSubject.of(kind),
                RandomSeed.of(DiskChannelContractTest.class), false);
    }

    @ParameterizedTest
    @EnumSource(names = {"DISK_512", "DISK_4096", "DISK_POLLED"})
    void randomCallsAreAnsweredAsByTheKernelsNodeAlsoAtTheEnd(DiskSubject.Kind kind) throws Exception {
        FileChannelContract.answersAlike(JdkSubject.node(), DiskSubject.of(kind),
                RandomSeed.of(DiskChannelContractTest.class), true);
    }

    @ParameterizedTest
    @EnumSource
    void bytesGoToAndFromARealFileThroughEitherChannel(DiskSubject.Kind kind) throws Exception {
        FileChannelContract.checkTransfers(DiskSubject.of(kind));
    }

    @Test
    void whatADiskIsOpenedWithIsAllThatIsAllowed() throws IOException {
        try (ChannelSubject subject = DiskSubject.of(DiskSubject.Kind.DISK_512)) {
            for (StandardOpenOption option : StandardOpenOption.values()) {
                switch (option) {
                    case READ, WRITE, SYNC, DSYNC -> subject.open(option).close();
                    default -> assertThatExceptionOfType(UnsupportedOperationException.class)
                            .isThrownBy(() -> subject.open(option)).withMessageContaining("mem0 cannot be opened with ")
                            .withMessageContaining(option.toString())
                            .withMessageContaining("READ, WRITE, SYNC and DSYNC");
                }
            }
        }
    }
}
