package io.blkmq.tools.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The tables of keys in the guide are those of the code. */
class KeyTablesTest {
    private static final Path PAGE = Path.of("../docs/guide/blkmq-run.md");

    static List<String> used() {
        List<String> lines = new ArrayList<>();
        lines.add("| key | value | default | effect |");
        lines.add("| --- | --- | --- | --- |");
        for (Key key : Key.values()) {
            String standard = key.defaultText();
            lines.add("| " + names(key.names()) + " | " + key.valueText().replace("|", "\\|") + " | "
                    + (standard == null ? "" : "`" + standard + "`") + " | " + key.meaning() + " |");
        }
        return lines;
    }

    private static String names(List<String> names) {
        return names.stream().map(name -> "`" + name + "`").collect(Collectors.joining(", "));
    }

    /** A line for each reason. */
    static List<String> byReason(Map<String, String> reasons, String head) {
        Map<String, List<String>> keys = new LinkedHashMap<>();
        new TreeMap<>(reasons).forEach((key, why) -> keys.computeIfAbsent(why, _ -> new ArrayList<>()).add(key));
        List<String> lines = new ArrayList<>();
        lines.add("| keys | " + head + " |");
        lines.add("| --- | --- |");
        keys.forEach((why, names) -> lines.add("| " + names(names) + " | " + why + " |"));
        return lines;
    }

    @Test
    void theGuideHasEveryKey() throws IOException {
        List<String> page = Files.readAllLines(PAGE);
        assertThat(page).containsSubsequence(used());
        assertThat(page).containsSubsequence(byReason(UnusedKeys.all(), "why"));
        assertThat(page).containsSubsequence(byReason(RefusedKeys.all(), "why, and what to use"));
        Set<String> rows = page.stream().filter(line -> line.startsWith("| `") && line.contains("_"))
                .collect(Collectors.toCollection(HashSet::new));
        rows.removeAll(used());
        rows.removeAll(byReason(UnusedKeys.all(), "why"));
        rows.removeAll(byReason(RefusedKeys.all(), "why, and what to use"));
        assertThat(rows).as("rows of keys that there are not").allMatch(row -> row.contains("io_uring"));
    }

    @Test
    void noKeyIsInTwoTables() {
        List<String> all = Stream.of(Stream.of(Key.values()).flatMap(key -> key.names().stream()),
                UnusedKeys.all().keySet().stream(), RefusedKeys.all().keySet().stream()).flatMap(each -> each).toList();
        assertThat(all).doesNotHaveDuplicates().hasSizeGreaterThan(200);
    }

    @Test
    void everyDefaultIsAValueOfItsKey() {
        for (Key key : Key.values()) {
            if (key.defaultText() != null) {
                assertThat(key.defaultValue()).as(key.keyName()).isNotNull();
            }
        }
    }
}
