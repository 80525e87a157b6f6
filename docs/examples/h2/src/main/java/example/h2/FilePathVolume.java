package example.h2;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.h2.api.ErrorCode;
import org.h2.message.DbException;
import org.h2.store.fs.FilePath;

/**
 * Files of a {@link DiskVolume}: the prefix {@code disk:}, then the name that the volume was mounted by, then that of the file. For example
 * {@code jdbc:h2:disk:db/test}. A folder is there once it was made, and as long as a file in it is; the volume keeps one that was made as an empty file whose
 * name ends with a slash. No folder is renamed.
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
            throw DbException.convertIOException(new NoSuchFileException(name, null, "no volume " + mounted + " is mounted"), name);
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

    /** H2's paths have no checked exceptions, and an error of H2's for each kind of failure. */
    private interface Call<T> {
        T run() throws IOException;
    }

    private static <T> T unchecked(int error, Call<T> call, String... names) {
        try {
            return call.run();
        } catch (IOException e) {
            throw DbException.get(error, e, names);
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
        DiskVolume.File file = file();
        return file == null || !file.isReadOnly();
    }

    @Override
    public boolean setReadOnly() {
        DiskVolume.File file = file();
        if (file != null) {
            unchecked(ErrorCode.IO_EXCEPTION_2, () -> {
                file.setReadOnly();
                return null;
            }, "it cannot be made read-only", name);
        }
        return file != null;
    }

    @Override
    public boolean createFile() {
        return !isDirectory() && unchecked(ErrorCode.FILE_CREATION_FAILED_1, () -> volume().create(path()), name) != null;
    }

    @Override
    public void createDirectory() {
        if (isRegularFile()) {
            throw DbException.get(ErrorCode.FILE_CREATION_FAILED_1, name + " (there is a file of this name)");
        }
        if (!path().isEmpty()) {
            unchecked(ErrorCode.FILE_CREATION_FAILED_1, () -> volume().create(path() + "/"), name);
        }
    }

    @Override
    public void delete() {
        String folder = path() + "/";
        if (volume().names(folder).stream().anyMatch(each -> !each.equals(folder))) {
            throw DbException.get(ErrorCode.FILE_DELETE_FAILED_1, name + " (there are files in it)");
        }
        unchecked(ErrorCode.FILE_DELETE_FAILED_1, () -> {
            volume().delete(folder);
            volume().delete(path());
            return null;
        }, name);
    }

    @Override
    public void moveTo(FilePath target, boolean atomicReplace) {
        FilePathVolume to = (FilePathVolume) target;
        if (to.volume() != volume()) {
            throw DbException.get(ErrorCode.FILE_RENAME_FAILED_2, name, to.name + " (of another volume)");
        }
        if (to.isDirectory() || (!atomicReplace && !to.path().equals(path()) && to.exists())) {
            throw DbException.get(ErrorCode.FILE_RENAME_FAILED_2, name, to.name + " (exists)");
        }
        unchecked(ErrorCode.FILE_RENAME_FAILED_2, () -> {
            volume().rename(path(), to.path());
            return null;
        }, name, to.name);
    }

    @Override
    public List<FilePath> newDirectoryStream() {
        String prefix = path().isEmpty() ? "" : path() + "/";
        TreeSet<String> names = new TreeSet<>();
        for (String each : volume().names(prefix)) {
            names.add(each.substring(prefix.length()).split("/", 2)[0]);
        }
        // The folder itself.
        names.remove("");
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
        if (file == null && write && isDirectory()) {
            throw new FileAlreadyExistsException(name, null, "it is a folder");
        }
        if (file == null && write) {
            file = volume().create(path());
            // Another thread may have made it.
            file = file == null ? file() : file;
        }
        if (file == null) {
            throw new NoSuchFileException(name);
        }
        if (write && file.isReadOnly()) {
            throw new AccessDeniedException(name, null, "it is read-only");
        }
        return new VolumeChannel(name, file, write, mode.equals("rws") || mode.equals("rwd"));
    }
}
