package io.blkmq.aio;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.channel.FileChannelContract;
import io.blkmq.testing.channel.JdkSubject;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link FileChannel} on a file of each engine, as the common table says, and as the JDK's answers. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
class AioFileChannelContractTest {

    static List<Setup> setups() throws IOException {
        return EngineSubject.setups();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void eachCallIsAnsweredAsTheTableSays(Setup setup) throws Exception {
        FileChannelContract.check(EngineSubject.of(setup));
    }

    /** Whose operations the engine carries out, where a platform thread does so itself. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void eachCallOfAVirtualThreadIsAnsweredAsTheTableSays(Setup setup) {
        Eventually.together(1, true, _ -> FileChannelContract.check(EngineSubject.of(setup)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void randomCallsAreAnsweredAsByTheJdksChannelAlsoAtTheEnd(Setup setup) throws Exception {
        FileChannelContract.answersAlike(JdkSubject.file(), EngineSubject.of(setup),
                RandomSeed.of(AioFileChannelContractTest.class), true);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void bytesGoToAndFromARealFileThroughEitherChannel(Setup setup) throws Exception {
        FileChannelContract.checkTransfers(EngineSubject.of(setup));
    }

    @Test
    void theTableHasEveryMethodOfTheClass() {
        FileChannelContract.coversAllOfTheClass();
    }
}
