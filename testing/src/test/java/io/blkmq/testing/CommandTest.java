package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.opentest4j.TestAbortedException;

/** What happens to a test whose command is not there. */
class CommandTest {
    @Test
    void aTestWhoseCommandIsNotThereIsSkippedAndSaysWhichItIs() {
        assertThat(Command.isInstalled("blkmq-no-such-command")).isFalse();
        assertThatThrownBy(() -> Command.require("blkmq-no-such-command")).isInstanceOf(TestAbortedException.class)
                .hasMessageContaining("blkmq-no-such-command is not installed");
    }

    @Test
    void aTestWhoseCommandWasPromisedFails() {
        assertThatThrownBy(() -> Command.lacking("sfdisk", Set.of("partx", "sfdisk")))
                .isInstanceOf(AssertionError.class).hasMessageContaining("sfdisk cannot be used")
                .hasMessageContaining("blkmq.ci.installed");
        assertThatThrownBy(() -> Command.lacking("sfdisk", Set.of("partx"))).isInstanceOf(TestAbortedException.class);
    }
}
