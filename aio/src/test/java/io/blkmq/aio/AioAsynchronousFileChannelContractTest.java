package io.blkmq.aio;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.channel.AsynchronousFileChannelContract;
import io.blkmq.testing.channel.JdkSubject;
import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link AsynchronousFileChannel} on a file of each engine, as the common table says, and as the JDK's answers. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
class AioAsynchronousFileChannelContractTest {

    static List<Setup> setups() throws IOException {
        return EngineSubject.setups();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void eachCallIsAnsweredAsTheTableSays(Setup setup) throws Exception {
        AsynchronousFileChannelContract.check(EngineSubject.of(setup));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void randomCallsAreAnsweredAsByTheJdksChannelAlsoAtTheEnd(Setup setup) throws Exception {
        AsynchronousFileChannelContract.answersAlike(JdkSubject.file(), EngineSubject.of(setup),
                RandomSeed.of(AioAsynchronousFileChannelContractTest.class), true);
    }

    @Test
    void theTableHasEveryMethodOfTheClass() {
        AsynchronousFileChannelContract.coversAllOfTheClass();
    }
}
