package io.blkmq.tools.job;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Collects what job files and the command line say, section by section, and all that is wrong with it: a user is told of every line
 * at once. For one thread.
 */
final class JobSettings {
    private final Map<Key, JobSpec.Setting> global = new EnumMap<>(Key.class);
    private final Set<String> globalUnused = new TreeSet<>();
    private final List<JobSpec> jobs = new ArrayList<>();
    private final Set<String> sections = new TreeSet<>();
    private final List<String> wrong = new ArrayList<>();
    /** The section that is being read; null before the first. */
    private @Nullable String section;
    private boolean isGlobal;
    private Location sectionLocation = new Location("", 0);
    private Map<Key, JobSpec.Setting> settings = global;
    private Set<String> unused = globalUnused;

    void beginSection(String name, Location location, boolean asGlobal) {
        section = name;
        sections.add(name);
        isGlobal = asGlobal;
        sectionLocation = location;
        settings = asGlobal ? global : new EnumMap<>(global);
        unused = asGlobal ? globalUnused : new TreeSet<>(globalUnused);
    }

    /** Until a section begins, what is said holds for all. */
    void beginGlobal() {
        beginSection("", new Location("", 0), true);
    }

    Set<String> sectionNames() {
        return sections;
    }

    void endSection() {
        String name = section;
        if (name != null && !isGlobal) {
            jobs.add(new JobSpec(name, sectionLocation, settings, unused));
        }
        section = null;
    }

    /** Whether a section has begun. */
    boolean isInSection() {
        return section != null;
    }

    void refuse(Location location, String why) {
        wrong.add(location + ": " + why);
    }

    /** Takes a {@code key=value}. */
    void add(String content, Location location) {
        if (section == null) {
            refuse(location, content + ": stands before the first section");
            return;
        }
        int equals = content.indexOf('=');
        String name = (equals < 0 ? content : content.substring(0, equals)).strip();
        Key key = Key.find(name);
        if (key == null) {
            other(name, equals < 0 ? null : content.substring(equals + 1), location);
            return;
        }
        String text = equals < 0 ? key.textAlone() : content.substring(equals + 1);
        if (text == null) {
            refuse(location, name + " needs a value");
            return;
        }
        if (name.equals("dsync")) {
            text = text.strip().equals("0") ? "none" : "dsync";
        }
        try {
            JobSpec.put(settings, key, JobSpec.parse(key, name, text, location));
        } catch (UsageException e) {
            wrong.add(String.valueOf(e.getMessage()));
        }
    }

    private void other(String name, @Nullable String text, Location location) {
        String refused = RefusedKeys.find(name);
        if (refused == null) {
            refused = UnusedKeys.refusal(name, text);
        }
        if (refused != null) {
            refuse(location, name + ": " + refused);
        } else if (UnusedKeys.find(name) != null) {
            unused.add(name);
        } else {
            refuse(location, "unknown key \"" + name + "\"" + likest(name));
        }
    }

    /** The key that was perhaps meant. */
    private static String likest(String name) {
        return Arrays.stream(Key.values()).flatMap(key -> key.names().stream())
                .min(Comparator.comparingInt(other -> distance(name, other)))
                .filter(other -> distance(name, other) <= Math.max(1, name.length() / 3))
                .map(other -> "; is it " + other + "?").orElse("");
    }

    /** How many letters have to be changed, added or taken away. */
    private static int distance(String one, String other) {
        int[] row = new int[other.length() + 1];
        for (int j = 0; j <= other.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= one.length(); i++) {
            int corner = row[0];
            row[0] = i;
            for (int j = 1; j <= other.length(); j++) {
                int changed = corner + (one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1);
                corner = row[j];
                row[j] = Math.min(changed, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[other.length()];
    }

    /** All jobs; a message for each line that is wrong. */
    List<JobSpec> jobs(String source) throws UsageException {
        endSection();
        if (!wrong.isEmpty()) {
            throw new UsageException(String.join("\n", wrong));
        }
        if (jobs.isEmpty()) {
            throw new UsageException(source + ": has no job, that is no section but [global]");
        }
        return List.copyOf(jobs);
    }

    @Override
    public String toString() {
        return jobs.size() + " jobs";
    }
}
