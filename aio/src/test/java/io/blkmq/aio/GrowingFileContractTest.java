package io.blkmq.aio;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.channel.ChannelSubject;
import io.blkmq.testing.channel.FileOpener;
import io.blkmq.testing.channel.GrowingFileContract;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** How files are opened, appended to, cut and grown through channels: the JDK's, and those of each engine. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
class GrowingFileContractTest {

    static List<Setup> setups() throws IOException {
        return EngineSubject.setups();
    }

    @Test
    void theJdksChannelsAnswerAsTheTableSays() throws Exception {
        GrowingFileContract.check(ChannelSubject.Family.FILE, FileOpener.JDK,
                Files.createDirectories(Path.of("target", "io")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void channelsOfAnEngineAnswerAsTheTableSays(Setup setup) throws Exception {
        setup.assumeAvailable();
        try (AioEngine engine = setup.open(AioEngineConfig.builder())) {
            GrowingFileContract.check(ChannelSubject.Family.ENGINE, new EngineSubject.Opener(engine, setup.direct()),
                    setup.directory());
        }
    }
}
