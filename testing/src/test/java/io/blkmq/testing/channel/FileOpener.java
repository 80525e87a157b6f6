package io.blkmq.testing.channel;

import java.io.IOException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;

/** Opens channels of files: the JDK, or an engine. */
public interface FileOpener {
    /** Those of the JDK. */
    FileOpener JDK = new FileOpener() {
        @Override
        public FileChannel open(Path path, OpenOption... options) throws IOException {
            return FileChannel.open(path, options);
        }

        @Override
        public AsynchronousFileChannel openAsync(Path path, OpenOption... options) throws IOException {
            return AsynchronousFileChannel.open(path, options);
        }
    };

    /** Opens a file. */
    FileChannel open(Path path, OpenOption... options) throws IOException;

    /** Opens a file. */
    AsynchronousFileChannel openAsync(Path path, OpenOption... options) throws IOException;
}
