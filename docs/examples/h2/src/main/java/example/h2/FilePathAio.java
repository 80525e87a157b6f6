package example.h2;

import io.blkmq.aio.AioFiles;
import io.blkmq.aio.AioOpenOption;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.h2.store.fs.FilePath;
import org.h2.store.fs.FilePathWrapper;
import org.h2.store.fs.FileUtils;

/**
 * Files of the system whose I/O blkmq does: the prefix {@code aio:}, and {@code direct:} for direct I/O. For example
 * {@code jdbc:h2:aio:~/test}. Names, deletion and renaming are those of H2's own files.
 */
public class FilePathAio extends FilePathWrapper {
    /** With direct I/O. */
    public static final class Direct extends FilePathAio {
        @Override
        public String getScheme() {
            return "direct";
        }

        @Override
        Set<OpenOption> options(String mode) {
            Set<OpenOption> options = super.options(mode);
            options.add(AioOpenOption.DIRECT);
            return options;
        }
    }

    /** Makes both prefixes known to H2. */
    public static void register() {
        FilePath.register(new FilePathAio());
        FilePath.register(new Direct());
    }

    @Override
    public String getScheme() {
        return "aio";
    }

    @Override
    public FileChannel open(String mode) throws IOException {
        return AioFiles.openChannel(Path.of(getBase().name), options(mode));
    }

    Set<OpenOption> options(String mode) {
        return new HashSet<>(FileUtils.modeToOptions(mode));
    }
}
