package io.blkmq.tools.job;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Reads job files. A file has sections in brackets and lines {@code key=value}; a key that is a flag may stand alone; from a
 * {@code ;} or {@code #} to the end of the line is a comment. What a section whose name begins with {@code global} says holds for
 * all jobs after it, unless they say something else. {@code include FILE} stands for the lines of another file; {@code ${NAME}} for
 * a variable of the environment.
 */
public final class JobFile {
    private static final String GLOBAL = "global";
    private static final String INCLUDE = "include ";
    private static final int INCLUDES_MAX = 16;

    private final JobSettings settings;
    private final Set<String> sections;
    private final Function<String, String> environment;
    /** Whether the section that is being read is one of those asked for. */
    private boolean listening = true;

    private JobFile(JobSettings settings, Set<String> sections, Function<String, String> environment) {
        this.settings = settings;
        this.sections = sections;
        this.environment = environment;
    }

    /**
     * Reads a file.
     *
     * @param path where it is
     * @return its jobs, at least one
     * @throws UsageException if it cannot be read, or naming all lines that are wrong
     */
    public static List<JobSpec> read(Path path) throws UsageException {
        return parse(path.toString(), text(path, path.toString()));
    }

    /** The text of a file, in whatever encoding: what is not UTF-8 can only be in comments and names. */
    static String text(Path path, String shown) throws UsageException {
        try {
            return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            throw new UsageException(shown + ": there is no such job file", e);
        } catch (AccessDeniedException e) {
            throw new UsageException(shown + ": the job file may not be read", e);
        } catch (IOException e) {
            String why = Files.isDirectory(path) ? "is a directory and not a job file" : "cannot be read: " + e;
            throw new UsageException(shown + ": " + why, e);
        }
    }

    /**
     * Reads a text.
     *
     * @param source what messages call it
     * @param text the content of a job file
     * @return its jobs, at least one
     * @throws UsageException naming all lines that are wrong
     */
    public static List<JobSpec> parse(String source, String text) throws UsageException {
        JobSettings settings = new JobSettings();
        parse(source, text, settings, Set.of(), System.getenv());
        return settings.jobs(source);
    }

    /** Reads the lines of a text into settings: all of it, or only some sections and the global ones. */
    static void parse(String source, String text, JobSettings settings, Set<String> sections,
            Map<String, String> environment) throws UsageException {
        JobFile file = new JobFile(settings, sections, name -> environment.getOrDefault(name, ""));
        file.lines(source, text, 0);
        settings.endSection();
    }

    private void lines(String source, String text, int depth) throws UsageException {
        int number = 0;
        for (String line : text.lines().toList()) {
            Location location = new Location(source, ++number);
            String content = withoutComment(line).strip();
            if (content.startsWith(INCLUDE)) {
                include(content.substring(INCLUDE.length()).strip(), location, depth);
            } else if (content.startsWith("[")) {
                beginSection(content, location);
            } else if (!content.isEmpty() && listening) {
                settings.add(Substitution.in(content, location, environment), location);
            }
        }
    }

    private void include(String name, Location location, int depth) throws UsageException {
        if (depth == INCLUDES_MAX) {
            throw new UsageException(location, "include " + name + ": " + INCLUDES_MAX + " files inside each other");
        }
        // Beside the file that includes it; else where the command was started.
        Path beside = Path.of(location.source()).resolveSibling(name);
        Path file = Files.exists(beside) ? beside : Path.of(name);
        lines(file.toString(), text(file, location + ": include " + name), depth + 1);
    }

    private static String withoutComment(String line) {
        for (int i = 0; i < line.length(); i++) {
            if (line.charAt(i) == ';' || line.charAt(i) == '#') {
                return line.substring(0, i);
            }
        }
        return line;
    }

    private void beginSection(String content, Location location) {
        int end = content.lastIndexOf(']');
        String name = end < 0 ? "" : content.substring(1, end).strip();
        boolean global = name.startsWith(GLOBAL);
        listening = global || sections.isEmpty() || sections.contains(name);
        settings.endSection();
        if (name.isEmpty()) {
            settings.refuse(location, content + ": a section is a name in brackets");
        }
        if (listening) {
            settings.beginSection(name, location, global);
        }
    }

    @Override
    public String toString() {
        return settings.toString();
    }
}
