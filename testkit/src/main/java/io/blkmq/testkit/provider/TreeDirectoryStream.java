package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** What a directory had in it when the stream was opened, as far as a filter lets it through. */
final class TreeDirectoryStream implements DirectoryStream<Path> {
    private final TreePath directory;
    private final List<String> names;
    private final Filter<? super Path> filter;
    private boolean iterated;
    private volatile boolean closed;

    TreeDirectoryStream(TreePath directory, List<String> names, Filter<? super Path> filter) {
        this.directory = directory;
        this.names = names;
        this.filter = filter;
    }

    @Override
    public synchronized Iterator<Path> iterator() {
        if (closed) {
            throw new IllegalStateException("the stream of " + directory + " is closed");
        }
        if (iterated) {
            throw new IllegalStateException("the stream of " + directory + " has been iterated");
        }
        iterated = true;
        return new Entries(names.iterator());
    }

    @Override
    public void close() {
        closed = true;
        directory.getFileSystem().closed(this);
    }

    @Override
    public String toString() {
        return "directory stream of " + directory;
    }

    /** Ends when the stream is closed. */
    private final class Entries implements Iterator<Path> {
        private final Iterator<String> left;
        private @Nullable Path next;

        Entries(Iterator<String> left) {
            this.left = left;
        }

        @Override
        public synchronized boolean hasNext() {
            while (next == null && !closed && left.hasNext()) {
                Path path = directory.resolve(left.next());
                if (accepts(path)) {
                    next = path;
                }
            }
            return next != null;
        }

        private boolean accepts(Path path) {
            try {
                return filter.accept(path);
            } catch (IOException e) {
                throw new DirectoryIteratorException(e);
            }
        }

        @Override
        public synchronized Path next() {
            if (!hasNext() || next == null) {
                throw new NoSuchElementException("no more entries in " + directory);
            }
            Path found = next;
            next = null;
            return found;
        }
    }
}
