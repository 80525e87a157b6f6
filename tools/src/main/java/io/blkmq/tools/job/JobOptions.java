package io.blkmq.tools.job;

import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Keys of jobs on the command line. From a {@code --name} on they describe a job, as in fio; those before the first one hold for all
 * jobs that follow. Without a {@code --name} they replace what job files say.
 */
public final class JobOptions {
    private static final String OPTION = "--";
    private static final String SHORT = "-";
    private static final String NAME = "name";
    private static final String GLOBAL = "global";

    private final List<Option> options = new ArrayList<>();

    /** An option, and what stands behind it. */
    private record Option(String name, @Nullable String value) {
        Location location() {
            return Location.ofOption("--" + name);
        }

        boolean lacksValue() {
            Key key = Key.find(name);
            return value == null && key != null && key.textAlone() == null;
        }

        String line() {
            return value == null ? name : name + "=" + value;
        }
    }

    /** None yet. */
    public JobOptions() {}

    /**
     * Whether an option is a key of jobs.
     *
     * @param name without hyphens
     * @return true also of keys that are refused
     */
    public static boolean isKey(String name) {
        return Key.find(name) != null || UnusedKeys.find(name) != null || RefusedKeys.find(name) != null;
    }

    /**
     * Whether a key may stand alone.
     *
     * @param name of a key
     * @return true of flags, and of keys without effect
     */
    public static boolean isFlag(String name) {
        Key key = Key.find(name);
        return key == null ? UnusedKeys.isFlag(name) : key.isFlag();
    }

    private void add(String name, @Nullable String value) {
        options.add(new Option(name, value));
    }

    /**
     * Adds what an argument says, if it is a key of jobs: {@code --rw=randread}, {@code --rw randread}, {@code --time_based},
     * {@code --direct 1}, also with one hyphen. A key that gets no value and needs one is refused by {@link #jobs}.
     *
     * @param word the argument
     * @param behind the arguments behind it; the first is taken away if it is the key's value
     * @return false if the argument is something else
     */
    public boolean take(String word, Deque<String> behind) {
        String name = keyOf(word);
        if (name == null) {
            return false;
        }
        int equals = word.indexOf('=');
        add(name, equals >= 0 ? word.substring(equals + 1) : isValue(name, behind.peek()) ? behind.pop() : null);
        return true;
    }

    /** The key that an argument names, with two hyphens or, as fio takes it, too, with one; null if it names none. */
    private static @Nullable String keyOf(String word) {
        if (!word.startsWith(SHORT)) {
            return null;
        }
        String name = word.substring(word.startsWith(OPTION) ? OPTION.length() : SHORT.length()).split("=", 2)[0];
        // One letter behind one hyphen is an option of the command's own.
        return isKey(name) && (word.startsWith(OPTION) || name.length() > 1) ? name : null;
    }

    /** Whether a word behind a key is its value: of a flag it can only be a number, and an option is none of any key. */
    private static boolean isValue(String name, @Nullable String word) {
        if (word == null || word.startsWith(OPTION) || keyOf(word) != null) {
            return false;
        }
        return !isFlag(name) || word.equals("0") || word.equals("1");
    }

    /**
     * All options.
     *
     * @return as lines of a job file
     */
    public List<String> lines() {
        return options.stream().map(Option::line).toList();
    }

    /**
     * Whether the options describe jobs.
     *
     * @return true if there is a {@code --name}
     */
    public boolean hasJobs() {
        return options.stream().anyMatch(option -> option.name.equals(NAME));
    }

    /**
     * All jobs: those of files, changed by the options or not, and those of the options.
     *
     * @param files job files
     * @param sections those wanted of the files; empty for all
     * @return at least one
     * @throws UsageException naming everything that is wrong
     */
    public List<JobSpec> jobs(List<JobText> files, Set<String> sections) throws UsageException {
        JobSettings settings = new JobSettings();
        for (JobText file : files) {
            JobFile.parse(file.source(), file.text(), settings, sections, System.getenv());
        }
        requireSections(settings, sections);
        if (hasJobs()) {
            describe(settings);
            return settings.jobs("the command line");
        }
        List<JobSpec> jobs = new ArrayList<>();
        for (JobSpec job : settings.jobs(files.isEmpty() ? "the command line" : files.getFirst().source())) {
            jobs.add(replaced(job));
        }
        return jobs;
    }

    private static void requireSections(JobSettings settings, Set<String> sections) throws UsageException {
        Set<String> missing = new TreeSet<>(sections);
        missing.removeAll(settings.sectionNames());
        if (!missing.isEmpty()) {
            throw new UsageException("--section " + String.join(", ", missing) + ": there is no such job");
        }
    }

    private void describe(JobSettings settings) {
        settings.beginGlobal();
        for (Option option : options) {
            if (option.name.equals(NAME)) {
                String name = option.value == null ? "" : option.value;
                settings.endSection();
                settings.beginSection(name, option.location(), name.equals(GLOBAL));
                if (name.isEmpty()) {
                    settings.refuse(option.location(), withoutValue(NAME));
                }
            } else if (option.lacksValue()) {
                settings.refuse(option.location(), withoutValue(option.name));
            } else {
                settings.add(option.line(), option.location());
            }
        }
        settings.endSection();
    }

    private static String withoutValue(String name) {
        return name + " needs a value; one that begins with -- stands behind =";
    }

    private JobSpec replaced(JobSpec job) throws UsageException {
        JobSpec changed = job;
        for (Option option : options) {
            Key key = Key.find(option.name);
            String refused = RefusedKeys.find(option.name);
            if (refused == null) {
                refused = UnusedKeys.refusal(option.name, option.value);
            }
            if (refused != null) {
                throw new UsageException(option.location(), option.name + ": " + refused);
            }
            if (option.lacksValue()) {
                throw new UsageException(option.location(), withoutValue(option.name));
            }
            if (key != null) {
                String text = option.value == null ? key.textAlone() : option.value;
                changed = changed.with(key, text == null ? "" : text, option.location());
            }
        }
        return changed;
    }
}
