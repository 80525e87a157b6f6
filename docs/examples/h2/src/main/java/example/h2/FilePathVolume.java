package example.h2;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.h2.store.fs.FilePath;

/**
 * Files of a {@link DiskVolume}: the prefix {@code disk:}, then the name that the volume was mounted by, then that of the file. For example
 * {@code jdbc:h2:disk:db/test}. A folder is there as long as a file in it is.
 */
public final class FilePathVolume extends FilePath {
    private static final String SCHEME = "disk";
    private static final Map<String, DiskVolume> MOUNTED = new ConcurrentHashMap<>();

    /** Makes a volume known to H2 by a name. */
    public static void mount(String name, DiskVolume volume) {
        FilePath.register(new FilePathVolume());
        if (name.isEmpty() || name.contains("/") || MOUNTED.putIfAbsent(name, volume) != null) {
            throw new IllegalArgumentException("volume " + name + ": a name is not empty, has no /, and is mounted once");
        }
    }

    /** Takes the name back. No database on the volume is open. */
    public static void unmount(String name) {
        MOUNTED.remove(name);
    }

    @Override
    public String getScheme() {
        return SCHEME;
    }

    @Override
    public FilePathVolume getPath(String path) {
        FilePathVolume made = new FilePathVolume();
        String plain = path.startsWith(SCHEME + ":") ? path.substring(SCHEME.length() + 1) : path;
        made.name = SCHEME + ":" + plain.replace('\\', '/').replaceAll("/+", "/").replaceAll("^/|/$", "");
        return made;
    }

    private String plain() {
        return name.substring(SCHEME.length() + 1);
    }

    private DiskVolume volume() {
        String mounted = plain().split("/", 2)[0];
        DiskVolume volume = MOUNTED.get(mounted);
        if (volume == null) {
            throw new UncheckedIOException(new NoSuchFileException(name, null, "no volume " + mounted + " is mounted"));
        }
        return volume;
    }

    /** Within the volume; empty for its root. */
    private String path() {
        String[] parts = plain().split("/", 2);
        return parts.length == 1 ? "" : parts[1];
    }

    private DiskVolume.File file() {
        return volume().get(path());
    }

    /** H2's paths have no checked exceptions. */
    private interface Call<T> {
        T run() throws IOException;
    }

    private static <T> T unchecked(Call<T> call) {
        try {
            return call.run();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public long size() {
        DiskVolume.File file = file();
        return file == null ? 0 : file.size();
    }

    @Override
    public boolean exists() {
        return file() != null || isDirectory();
    }

    @Override
    public boolean isDirectory() {
        return path().isEmpty() || !volume().names(path() + "/").isEmpty();
    }

    @Override
    public boolean isRegularFile() {
        return file() != null;
    }

    @Override
    public boolean isAbsolute() {
        return true;
    }

    @Override
    public long lastModified() {
        DiskVolume.File file = file();
        return file == null ? 0 : file.modifiedMillis();
    }

    @Override
    public boolean canWrite() {
        return true;
    }

    @Override
    public boolean setReadOnly() {
        return false;
    }

    @Override
    public boolean createFile() {
        return !isDirectory() && unchecked(() -> volume().create(path())) != null;
    }

    /** A folder needs no making. */
    @Override
    public void createDirectory() {
        if (isRegularFile()) {
            throw new UncheckedIOException(new FileAlreadyExistsException(name));
        }
    }

    @Override
    public void delete() {
        unchecked(() -> {
            volume().delete(path());
            return null;
        });
    }

    @Override
    public void moveTo(FilePath target, boolean atomicReplace) {
        FilePathVolume to = (FilePathVolume) target;
        if (to.volume() != volume()) {
            throw new UncheckedIOException(new IOException(name + " cannot be renamed to " + to.name + ", which is of another volume"));
        }
        if (!atomicReplace && to.exists()) {
            throw new UncheckedIOException(new FileAlreadyExistsException(to.name));
        }
        unchecked(() -> {
            volume().rename(path(), to.path());
            return null;
        });
    }

    @Override
    public List<FilePath> newDirectoryStream() {
        String prefix = path().isEmpty() ? "" : path() + "/";
        TreeSet<String> names = new TreeSet<>();
        for (String each : volume().names(prefix)) {
            names.add(each.substring(prefix.length()).split("/", 2)[0]);
        }
        List<FilePath> paths = new ArrayList<>();
        names.forEach(each -> paths.add(getPath(plain() + "/" + each)));
        return paths;
    }

    @Override
    public FilePath toRealPath() {
        return this;
    }

    @Override
    public FilePath getParent() {
        int slash = plain().lastIndexOf('/');
        return slash < 0 ? null : getPath(plain().substring(0, slash));
    }

    @Override
    public FileChannel open(String mode) throws IOException {
        boolean write = !mode.equals("r");
        DiskVolume.File file = file();
        if (file == null && write) {
            file = volume().create(path());
            // Another thread may have made it.
            file = file == null ? file() : file;
        }
        if (file == null) {
            throw new NoSuchFileException(name);
        }
        return new VolumeChannel(name, file, write, mode.equals("rws") || mode.equals("rwd"));
    }
}
