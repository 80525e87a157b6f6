package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.channel.ChannelPrograms;
import io.blkmq.testing.channel.FileOpener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same random calls of a file that grows, through channels of the JDK and of an engine: the same bytes, sizes, positions and exceptions. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
class ChannelDifferentialTest {

    static List<Setup> setups() throws IOException {
        return EngineSubject.setups();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void randomCallsAreAnsweredAsByTheJdk(Setup setup) throws Exception {
        setup.assumeAvailable();
        long seed = RandomSeed.of(ChannelDifferentialTest.class);
        List<String> expected = answers(FileOpener.JDK, setup.directory(), seed);
        try (AioEngine engine = setup.open(AioEngineConfig.builder())) {
            List<String> found = answers(new EngineSubject.Opener(engine, setup.direct()), setup.directory(), seed);
            requireAlike(found, expected, seed);
            // The engine carries out what virtual threads do, where a platform thread does so itself.
            Eventually.together(1, true,
                    _ -> requireAlike(
                            answers(new EngineSubject.Opener(engine, setup.direct()), setup.directory(), seed),
                            expected, seed));
        }
    }

    private static void requireAlike(List<String> found, List<String> expected, long seed) {
        // The first that differs: what follows may differ because of it.
        for (int i = 0; i < expected.size(); i++) {
            assertThat(found.get(i)).as("seed %d", seed).isEqualTo(expected.get(i));
        }
        assertThat(found).hasSameSizeAs(expected);
    }

    private static List<String> answers(FileOpener opener, Path directory, long seed) throws IOException {
        Path path = Files.createTempFile(directory, "blkmq-channel", ".img");
        try {
            return ChannelPrograms.answers(opener, path, seed);
        } finally {
            Files.delete(path);
        }
    }
}
