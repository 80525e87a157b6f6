package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tables of docs/reference are those of the code. */
@NoRescues
class ReferencePagesTest {

    @Test
    void thePageOnLimitsNamesAllOfThem() throws IOException {
        List<String> inThePage = DocPage.read("docs/reference/limits.md").rows("## Limits of a device").stream()
                .flatMap(row -> DocPage.names(row.getFirst()).stream()).toList();
        List<String> inTheCode = Arrays.stream(QueueLimits.Builder.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()) && method.getParameterCount() > 0)
                .map(method -> method.getName()).toList();
        assertThat(inThePage).containsExactlyInAnyOrderElementsOf(inTheCode);
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void thePageOnTunablesHasTheirUnitsDefaultsAndRanges(String elevator) throws IOException {
        List<List<String>> rows = DocPage.read("docs/reference/tunables.md").rows("## " + elevator);
        try (Disk disk = NullBlk.builder().build()) {
            disk.queue().setElevator(elevator);
            Map<String, ElevatorAttribute> attributes = disk.queue().elevatorAttributes();
            assertThat(rows.stream().flatMap(row -> DocPage.names(row.getFirst()).stream()))
                    .containsExactlyInAnyOrderElementsOf(attributes.keySet());
            for (List<String> row : rows) {
                ElevatorAttribute attribute = Objects
                        .requireNonNull(attributes.get(DocPage.names(row.getFirst()).getFirst()));
                assertThat(row.get(1)).as(attribute.name()).isEqualTo(attribute.unit());
                String value = row.get(2).equals("`nrRequests`")
                        ? Integer.toString(disk.queue().nrRequests())
                        : row.get(2);
                assertThat(value).as(attribute.name()).isEqualTo(attribute.get());
                assertThat(row.get(3)).as(attribute.name()).isEqualTo(attribute.min() + " to " + attribute.max());
            }
        }
    }
}
