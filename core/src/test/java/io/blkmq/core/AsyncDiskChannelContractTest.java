package io.blkmq.core;

import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.channel.AsynchronousFileChannelContract;
import io.blkmq.testing.channel.JdkSubject;
import java.nio.channels.AsynchronousFileChannel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@link AsynchronousFileChannel} on a disk, on a file and on a loop device of the kernel. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class AsyncDiskChannelContractTest {

    @ParameterizedTest
    @EnumSource
    void eachCallIsAnsweredAsTheTableSays(DiskSubject.Kind kind) throws Exception {
        AsynchronousFileChannelContract.check(DiskSubject.of(kind));
    }

    @Test
    void theTableHasEveryMethodOfTheClass() {
        AsynchronousFileChannelContract.coversAllOfTheClass();
    }

    @ParameterizedTest
    @EnumSource(names = {"DISK_512", "DISK_4096", "DISK_POLLED"})
    void randomCallsAreAnsweredAsByAFileOfThatSize(DiskSubject.Kind kind) throws Exception {
        AsynchronousFileChannelContract.answersAlike(JdkSubject.file(), DiskSubject.of(kind),
                RandomSeed.of(AsyncDiskChannelContractTest.class), false);
    }

    @ParameterizedTest
    @EnumSource(names = {"DISK_512", "DISK_4096", "DISK_POLLED"})
    void randomCallsAreAnsweredAsByTheKernelsNodeAlsoAtTheEnd(DiskSubject.Kind kind) throws Exception {
        AsynchronousFileChannelContract.answersAlike(JdkSubject.node(), DiskSubject.of(kind),
                RandomSeed.of(AsyncDiskChannelContractTest.class), true);
    }
}
