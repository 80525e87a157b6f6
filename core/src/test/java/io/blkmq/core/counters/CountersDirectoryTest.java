package io.blkmq.core.counters;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the counters files of a user are. */
@NoRescues
class CountersDirectoryTest {
    private static final int NOBODY = 65_534;

    @TempDir
    private Path folder;

    @SuppressWarnings("NullAway.Init")
    CountersDirectoryTest() {}

    @Test
    void theRuntimeDirectoryIsUsedIfItIsTheUsersOwn() {
        assertThat(CountersDirectory.below(folder.toString())).isEqualTo(folder.resolve("blkmq"));
    }

    @Test
    void aRuntimeDirectoryThatIsMissingOrRelativeOrNoneIsNotUsed() {
        Path other = CountersDirectory.below(null);
        assertThat(other.getFileName().toString()).startsWith("blkmq-");
        assertThat(CountersDirectory.below("")).isEqualTo(other);
        assertThat(CountersDirectory.below(folder.resolve("no").toString())).isEqualTo(other);
        // A directory that is there, and differs with where the process was started.
        assertThat(CountersDirectory.below(".")).isEqualTo(other);
    }

    /** {@code su} and {@code sudo -E} leave the variable as it was. */
    @Test
    void theRuntimeDirectoryOfAnotherUserIsNotUsed() throws Exception {
        assertThat(CountersDirectory.below(ofAnotherUser().toString())).isEqualTo(CountersDirectory.below(null));
    }

    private Path ofAnotherUser() throws IOException {
        // Everybody's, and root's.
        Path shared = Path.of("/tmp");
        if (!Files.getOwner(shared).equals(Files.getOwner(folder))) {
            return shared;
        }
        // Only root gets here, and may.
        return Files.setAttribute(Files.createDirectory(folder.resolve("others")), "unix:uid", NOBODY);
    }
}
