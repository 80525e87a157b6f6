package io.blkmq.tools.job;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads job files. A file has sections in brackets and lines {@code key=value}; a key that is a flag may stand alone; from a
 * {@code ;} or {@code #} to the end of the line is a comment. What a section {@code [global]} says holds for all jobs after it,
 * unless they say something else.
 */
public final class JobFile {
    private static final String GLOBAL = "global";

    private final String source;
    private final Map<Key, JobSpec.Setting> global = new EnumMap<>(Key.class);
    private final List<JobSpec> jobs = new ArrayList<>();
    /** The section that is being read; null before the first. */
    private @Nullable String section;
    private Location sectionLocation;
    private Map<Key, JobSpec.Setting> settings = global;

    private JobFile(String source) {
        this.source = source;
        this.sectionLocation = new Location(source, 1);
    }

    /**
     * Reads a file.
     *
     * @param path where it is
     * @return its jobs, at least one
     * @throws UsageException if it cannot be read, or naming the line that is wrong
     */
    public static List<JobSpec> read(Path path) throws UsageException {
        try {
            return parse(path.toString(), Files.readString(path, StandardCharsets.UTF_8));
        } catch (NoSuchFileException e) {
            throw new UsageException(path + ": there is no such job file", e);
        } catch (AccessDeniedException e) {
            throw new UsageException(path + ": the job file may not be read", e);
        } catch (IOException e) {
            String why = Files.isDirectory(path) ? "is a directory and not a job file" : "cannot be read: " + e;
            throw new UsageException(path + ": " + why, e);
        }
    }

    /**
     * Reads a text.
     *
     * @param source what messages call it
     * @param text the content of a job file
     * @return its jobs, at least one
     * @throws UsageException naming the line that is wrong
     */
    public static List<JobSpec> parse(String source, String text) throws UsageException {
        JobFile file = new JobFile(source);
        int number = 0;
        for (String line : text.lines().toList()) {
            file.line(line, new Location(source, ++number));
        }
        file.endSection();
        if (file.jobs.isEmpty()) {
            throw new UsageException(source + ": has no job, that is no section but [global]");
        }
        return List.copyOf(file.jobs);
    }

    private void line(String line, Location location) throws UsageException {
        String content = withoutComment(line).strip();
        if (content.startsWith("[")) {
            beginSection(content, location);
        } else if (!content.isEmpty()) {
            setting(content, location);
        }
    }

    private static String withoutComment(String line) {
        for (int i = 0; i < line.length(); i++) {
            if (line.charAt(i) == ';' || line.charAt(i) == '#') {
                return line.substring(0, i);
            }
        }
        return line;
    }

    private void beginSection(String content, Location location) throws UsageException {
        endSection();
        String name = content.endsWith("]") ? content.substring(1, content.length() - 1).strip() : "";
        if (name.isEmpty()) {
            throw new UsageException(location, content + ": a section is a name in brackets");
        }
        section = name;
        sectionLocation = location;
        settings = name.equals(GLOBAL) ? global : new EnumMap<>(global);
    }

    private void endSection() {
        String name = section;
        if (name != null && !name.equals(GLOBAL)) {
            jobs.add(new JobSpec(name, sectionLocation, settings));
        }
    }

    private void setting(String content, Location location) throws UsageException {
        if (section == null) {
            throw new UsageException(location, content + ": stands before the first section");
        }
        int equals = content.indexOf('=');
        String name = (equals < 0 ? content : content.substring(0, equals)).strip();
        Key key = Key.find(name);
        if (key == null) {
            throw new UsageException(location, "unknown key \"" + name + "\"; possible are " + Key.allNames());
        }
        if (equals < 0 && !key.isFlag()) {
            throw new UsageException(location, name + " needs a value");
        }
        String text = equals < 0 ? "1" : content.substring(equals + 1);
        settings.put(key, JobSpec.parse(key, name, text, location));
        if (key == Key.BS) {
            // Whichever comes last says how long operations are.
            settings.remove(Key.BSRANGE);
        }
    }

    @Override
    public String toString() {
        return source + ": " + jobs.size() + " jobs";
    }
}
