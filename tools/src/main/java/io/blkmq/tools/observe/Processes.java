package io.blkmq.tools.observe;

import io.blkmq.core.counters.CountersDirectory;
import io.blkmq.core.counters.CountersFormatException;
import io.blkmq.core.counters.CountersReader;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** The processes of this user whose counters can be read. They come and go. For one thread. */
public final class Processes {
    /** Instead of the number of a process. */
    public static final String ALL = "all";

    private final Path directory;
    private final Consumer<String> notes;
    /** What has been noted is not noted again. */
    private final Set<String> noted = new HashSet<>();

    /**
     * Those whose files are in a directory.
     *
     * @param directory which
     * @param notes are told why a file cannot be read, once for each
     */
    public Processes(Path directory, Consumer<String> notes) {
        this.directory = directory;
        this.notes = notes;
    }

    /**
     * The processes of this user.
     *
     * @param notes are told why a file cannot be read, once for each
     * @return where all agree on
     */
    public static Processes ofThisUser(Consumer<String> notes) {
        return new Processes(CountersDirectory.byDefault(), notes);
    }

    /**
     * The directory.
     *
     * @return where the files are
     */
    public Path directory() {
        return directory;
    }

    /**
     * Opens the files of all processes, or of one.
     *
     * @param which the number of a process, or {@value #ALL}
     * @return readers, by the numbers of the processes; to be closed
     * @throws UsageException if there is no such process, naming those there are
     * @throws IOException if the directory cannot be used
     */
    public List<CountersReader> open(String which) throws UsageException, IOException {
        if (which.equals(ALL)) {
            return openAll();
        }
        long pid = pid(which);
        List<CountersReader> readers = openAll();
        List<CountersReader> wanted = readers.stream().filter(reader -> reader.pid() == pid).toList();
        if (wanted.isEmpty()) {
            String others = readers.stream().map(reader -> "" + reader.pid()).collect(Collectors.joining(", "));
            readers.forEach(CountersReader::close);
            throw new UsageException("process " + pid + " has no counters in " + directory + "; "
                    + (others.isEmpty() ? "no process has" : "these have: " + others)
                    + ". A process has with -Dblkmq.counters=true");
        }
        readers.stream().filter(reader -> reader.pid() != pid).forEach(CountersReader::close);
        return wanted;
    }

    private static long pid(String which) throws UsageException {
        try {
            long pid = Long.parseLong(which);
            if (pid > 0) {
                return pid;
            }
        } catch (NumberFormatException _) {
            // Told below.
        }
        throw new UsageException(which + ": the number of a process is needed, or " + ALL);
    }

    private void note(String why) {
        if (noted.add(why)) {
            notes.accept(why);
        }
    }

    private List<CountersReader> openAll() throws IOException {
        List<CountersReader> readers = new ArrayList<>();
        try {
            for (Path file : CountersDirectory.files(directory)) {
                open(file, readers);
            }
        } catch (Throwable t) {
            readers.forEach(CountersReader::close);
            throw t;
        }
        readers.sort((one, other) -> Long.compare(one.pid(), other.pid()));
        return readers;
    }

    /** One file that cannot be read does not hide the others. */
    private void open(Path file, List<CountersReader> readers) {
        try {
            readers.add(CountersReader.open(file));
        } catch (NoSuchFileException _) {
            // Its process has ended since.
        } catch (CountersFormatException e) {
            note(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            note(file + " cannot be read: " + e.getMessage());
        }
    }
}
