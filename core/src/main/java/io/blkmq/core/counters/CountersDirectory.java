package io.blkmq.core.counters;

import io.blkmq.core.counters.layout.CountersLayout;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The directory of the counters files of one user. It is that user's alone: others can neither read what is in there nor put anything there. One that is a
 * link, belongs to somebody else or is open to others is refused, whoever has made it.
 *
 * @since 0.1.0
 */
public final class CountersDirectory {
    /** The system property that names the directory. */
    public static final String PROPERTY = "blkmq.counters.dir";

    /** It belongs to the user of this process. */
    private static final Path SELF = Path.of("/proc/self");
    static final FileAttribute<?> OWN_DIRECTORY = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    static final FileAttribute<?> OWN_FILE = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final Set<PosixFilePermission> OWNERS = PosixFilePermissions.fromString("rwx------");

    private CountersDirectory() {}

    /**
     * The directory that processes of this user agree on: what the property {@value #PROPERTY} says, or else
     * {@code $XDG_RUNTIME_DIR/blkmq} if that is an absolute path of a directory of this user's, or else {@code /dev/shm/blkmq-UID}, or else {@code blkmq-UID} where temporary files go.
     *
     * @return it need not be there
     */
    public static Path byDefault() {
        String asked = System.getProperty(PROPERTY, "");
        if (!asked.isBlank()) {
            return Path.of(asked).toAbsolutePath();
        }
        return below(System.getenv("XDG_RUNTIME_DIR"));
    }

    /** The directory below the user's runtime directory, or where it is without one. */
    static Path below(@Nullable String runtime) {
        if (runtime != null && isUsable(Path.of(runtime))) {
            return Path.of(runtime, "blkmq");
        }
        Path memory = Path.of("/dev/shm");
        return (Files.isWritable(memory) ? memory : Path.of(System.getProperty("java.io.tmpdir")))
                .resolve("blkmq-" + ownUser());
    }

    /** Not that of another user, which the variable names after {@code su}. */
    private static boolean isUsable(Path runtime) {
        try {
            return runtime.isAbsolute() && Files.isDirectory(runtime) && Files.isWritable(runtime)
                    && isOwn(Files.getOwner(runtime));
        } catch (IOException e) {
            return false;
        }
    }

    /** Whether an owner is the user of this process, as far as that is known. */
    private static boolean isOwn(UserPrincipal owner) throws IOException {
        return !Files.exists(SELF) || Files.getOwner(SELF).equals(owner);
    }

    /** The number of the user, or the name where there are no numbers. */
    private static String ownUser() {
        try {
            return String.valueOf(Files.getAttribute(SELF, "unix:uid"));
        } catch (IOException | RuntimeException e) {
            return System.getProperty("user.name");
        }
    }

    /** Makes the directory if it is missing, and refuses one that is not the user's alone. */
    static void prepare(Path directory) throws IOException {
        Path parent = directory.getParent();
        if (parent != null && !Files.isDirectory(parent)) {
            throw new IOException(directory + ": there is no directory " + parent);
        }
        try {
            Files.createDirectory(directory, OWN_DIRECTORY);
        } catch (FileAlreadyExistsException _) {
            // Whose it is, is looked at next.
        }
        require(directory);
    }

    /** Refuses a directory that is not the user's alone. */
    static void require(Path directory) throws IOException {
        PosixFileAttributes found = Files.readAttributes(directory, PosixFileAttributes.class,
                LinkOption.NOFOLLOW_LINKS);
        if (!found.isDirectory()) {
            throw new IOException(
                    directory + (found.isSymbolicLink() ? " is a link" : " is no directory") + ": it is not used");
        }
        if (!isOwn(found.owner())) {
            throw new IOException(directory + " belongs to " + found.owner().getName() + " and not to "
                    + Files.getOwner(SELF).getName() + ": it is not used");
        }
        if (!OWNERS.containsAll(found.permissions())) {
            throw new IOException(directory + " is open to others ("
                    + PosixFilePermissions.toString(found.permissions()) + "): it is not used; rwx------ is needed");
        }
    }

    /**
     * The counters files of a directory.
     *
     * @param directory which
     * @return in the order of their names; none if there is no such directory
     * @throws IOException if it cannot be read, or is not the user's alone
     */
    public static List<Path> files(Path directory) throws IOException {
        if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            return List.of();
        }
        require(directory);
        try (Stream<Path> all = Files.list(directory)) {
            return new ArrayList<>(
                    all.filter(file -> file.toString().endsWith(CountersLayout.SUFFIX)).sorted().toList());
        }
    }
}
