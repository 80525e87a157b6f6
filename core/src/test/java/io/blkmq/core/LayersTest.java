package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How far the classes of this module stand in layers: docs/internals/architecture.md. */
@NoRescues
class LayersTest {
    /** Two more than there are, since a change anywhere may let the search miss the best order by as much. It only goes down. */
    private static final int UPWARD_MAX = 48;

    @Test
    void noMoreReferencesRunUpwardThanBefore() throws Exception {
        URI classes = Disk.class.getProtectionDomain().getCodeSource().getLocation().toURI();
        Upward seen = Upward.of(List.of(Path.of(classes)), "io.blkmq.core.");
        assertThat(seen.classes()).as("classes that were looked at").contains(Disk.class.getName(), Bio.class.getName())
                .hasSizeGreaterThan(130);
        assertThat(seen.upward()).as(seen.summary()).hasSizeLessThanOrEqualTo(UPWARD_MAX);
    }
}
