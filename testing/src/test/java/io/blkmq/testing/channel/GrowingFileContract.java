package io.blkmq.testing.channel;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.DSYNC;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.SPARSE;
import static java.nio.file.StandardOpenOption.SYNC;
import static java.nio.file.StandardOpenOption.TRUNCATE_EXISTING;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

/** What disks have not: how files are opened, appended to, cut and grown. As the JDK's channels answer; where others do not, the row says why. */
public final class GrowingFileContract {
    private static final int BYTES = 100;

    /** A directory with a file of 100 bytes that are 1. */
    private static final class Place implements ChannelContract.Opened {
        private final FileOpener opener;
        private final List<AutoCloseable> opened = new ArrayList<>();
        final Path directory;
        final Path present;
        final Path missing;

        Place(FileOpener opener, Path parent) throws IOException {
            this.opener = opener;
            directory = Files.createTempDirectory(parent, "growing");
            byte[] ones = new byte[BYTES];
            Arrays.fill(ones, (byte) 1);
            present = Files.write(directory.resolve("present"), ones);
            missing = directory.resolve("missing");
        }

        FileChannel open(Path path, OpenOption... options) throws IOException {
            FileChannel channel = opener.open(path, options);
            opened.add(channel);
            return channel;
        }

        AsynchronousFileChannel openAsync(Path path, OpenOption... options) throws IOException {
            AsynchronousFileChannel channel = opener.openAsync(path, options);
            opened.add(channel);
            return channel;
        }

        /** Content and size, as another channel sees them: where each run of equal bytes begins. */
        String content(Path path) throws IOException {
            try (FileChannel channel = opener.open(path, READ)) {
                ByteBuffer all = ByteBuffer.allocate((int) channel.size());
                while (all.hasRemaining() && channel.read(all) > 0) {
                    // On to the end.
                }
                StringBuilder runs = new StringBuilder();
                for (int i = 0; i < all.capacity(); i++) {
                    if (i == 0 || all.get(i) != all.get(i - 1)) {
                        runs.append(all.get(i)).append('@').append(i).append(' ');
                    }
                }
                return runs + "to " + all.capacity();
            }
        }

        @Override
        public void close() throws IOException {
            for (AutoCloseable each : opened) {
                try {
                    each.close();
                } catch (Exception e) {
                    throw new IOException(e);
                }
            }
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, IOException failure) throws IOException {
                    Files.delete(visited);
                    return FileVisitResult.CONTINUE;
                }
            });
        }
    }

    private static final ChannelContract<Place> CONTRACT = new ChannelContract<>();

    static {
        opening();
        appending();
        growing();
    }

    private GrowingFileContract() {}

    /** Tries each row on files in a directory. */
    public static void check(ChannelSubject.Family family, FileOpener opener, Path parent) throws IOException {
        CONTRACT.check(family, () -> new Place(opener, parent), () -> {});
    }

    /** XFS has files of 8 EiB, ext4 of 16 TiB: what the channel says is true of the file. */
    private static String doneOrTooLarge(Callable<Integer> write, Callable<Long> size) throws Exception {
        String expected = "done, or too large";
        try {
            int written = write.call();
            return written == 1 && size.call() == Long.MAX_VALUE ? expected : written + " of a file of " + size.call();
        } catch (IOException e) {
            return String.valueOf(e.getMessage()).contains("too large") ? expected : e.toString();
        }
    }

    private static ByteBuffer bytes(int count, int value) {
        byte[] bytes = new byte[count];
        Arrays.fill(bytes, (byte) value);
        return ByteBuffer.wrap(bytes);
    }

    private static ChannelContract.Row<Place> row(String method, String what, ChannelContract.Call<Place> call,
            String answer) {
        return CONTRACT.row(method, what, call, answer);
    }

    /** An option that nobody knows. */
    private static final class Unknown implements OpenOption {
        @Override
        public String toString() {
            return "UNKNOWN";
        }
    }

    @SuppressWarnings("NullAway") // null is what a row is about
    private static void opening() {
        String open = "open";
        row(open, "nothing", p -> p.open(p.present).read(bytes(1, 0)), "1");
        row(open, "nothing, to write", p -> p.open(p.present).write(bytes(1, 0)), "NonWritableChannelException");
        row(open, "READ of none", p -> p.open(p.missing, READ), "NoSuchFileException");
        row(open, "WRITE of none", p -> p.open(p.missing, WRITE), "NoSuchFileException");
        row(open, "READ, CREATE of none", p -> p.open(p.missing, READ, CREATE), "NoSuchFileException");
        row(open, "READ, CREATE_NEW of one", p -> p.open(p.present, READ, CREATE_NEW).size(), "100");
        row(open, "CREATE of none", p -> p.open(p.missing, CREATE), "NoSuchFileException");
        row(open, "WRITE, CREATE of none", p -> p.open(p.missing, WRITE, CREATE).size(), "0");
        row(open, "WRITE, CREATE of one", p -> p.open(p.present, WRITE, CREATE).size(), "100");
        row(open, "APPEND, CREATE of none", p -> p.open(p.missing, APPEND, CREATE).size(), "0");
        row(open, "WRITE, CREATE_NEW of none", p -> p.open(p.missing, WRITE, CREATE_NEW).write(bytes(3, 3)), "3");
        row(open, "WRITE, CREATE_NEW of one", p -> p.open(p.present, WRITE, CREATE_NEW), "FileAlreadyExistsException");
        row(open, "WRITE, CREATE, CREATE_NEW of one", p -> p.open(p.present, WRITE, CREATE, CREATE_NEW),
                "FileAlreadyExistsException");
        row(open, "WRITE, TRUNCATE_EXISTING", p -> p.open(p.present, WRITE, TRUNCATE_EXISTING).size(), "0");
        row(open, "WRITE, TRUNCATE_EXISTING of none", p -> p.open(p.missing, WRITE, TRUNCATE_EXISTING),
                "NoSuchFileException");
        row(open, "READ, TRUNCATE_EXISTING", p -> p.open(p.present, READ, TRUNCATE_EXISTING).size(), "100");
        row(open, "READ, APPEND", p -> p.open(p.present, READ, APPEND), "IllegalArgumentException");
        row(open, "APPEND, TRUNCATE_EXISTING", p -> p.open(p.present, APPEND, TRUNCATE_EXISTING),
                "IllegalArgumentException");
        row(open, "SPARSE, SYNC, DSYNC", p -> {
            FileChannel one = p.open(p.present, WRITE, SPARSE, SYNC);
            FileChannel other = p.open(p.present, WRITE, DSYNC);
            return one.write(bytes(1, 2), 5) + " " + other.write(bytes(1, 3), 6) + " " + p.content(p.present);
        }, "1 1 1@0 2@5 3@6 1@7 to 100");
        row(open, "NOFOLLOW_LINKS", p -> p.open(p.present, READ, LinkOption.NOFOLLOW_LINKS).size(), "100")
                .engine("UnsupportedOperationException", "an engine opens files by their names and follows links");
        row(open, "unknown", p -> p.open(p.present, READ, new Unknown()), "UnsupportedOperationException");
        row(open, "null", p -> p.open(p.present, READ, null), "NullPointerException");
        row(open, "a directory, READ", p -> p.open(p.directory, READ).isOpen(), "true").engine("FileSystemException",
                "of a directory nothing can be read: the JDK says so with the first read");
        row(open, "a directory, WRITE", p -> p.open(p.directory, WRITE), "FileSystemException");
        row(open, "in a directory that is none", p -> {
            try {
                return p.open(p.present.resolve("below"), WRITE, CREATE);
            } catch (FileSystemException e) {
                // ENOTDIR, for which an engine has NoSuchFileException.
                return "refused";
            }
        }, "refused");
        row(open, "DELETE_ON_CLOSE", p -> {
            FileChannel channel = p.open(p.present, READ, WRITE, DELETE_ON_CLOSE);
            String name;
            try {
                name = p.open(p.present, READ).toString();
            } catch (IOException e) {
                name = ChannelContract.name(e);
            }
            return name + " " + channel.write(bytes(10, 2), 95) + " " + channel.size();
        }, "NoSuchFileException 10 105");
        row(open, "asynchronous, APPEND", p -> p.openAsync(p.present, APPEND), "UnsupportedOperationException");
        row(open, "asynchronous, READ, CREATE of none", p -> p.openAsync(p.missing, READ, CREATE),
                "NoSuchFileException");
        row(open, "asynchronous, WRITE, CREATE_NEW of one", p -> p.openAsync(p.present, WRITE, CREATE_NEW),
                "FileAlreadyExistsException");
        row(open, "asynchronous, WRITE, TRUNCATE_EXISTING",
                p -> p.openAsync(p.present, WRITE, TRUNCATE_EXISTING).size(), "0");
        row(open, "asynchronous, unknown", p -> p.openAsync(p.present, READ, new Unknown()),
                "UnsupportedOperationException");
    }

    private static void appending() {
        row("position()", "appending", p -> p.open(p.present, APPEND).position(), "100");
        row("position(long)", "appending", p -> p.open(p.present, APPEND).position(3).position(), "100");
        row("write(ByteBuffer)", "appending", p -> {
            FileChannel channel = p.open(p.present, APPEND);
            return channel.write(bytes(5, 2)) + " " + channel.position() + " " + p.content(p.present);
        }, "5 105 1@0 2@100 to 105");
        row("write(ByteBuffer)", "WRITE and APPEND", p -> {
            FileChannel channel = p.open(p.present, WRITE, APPEND);
            return channel.position(0).write(bytes(5, 2)) + " " + p.content(p.present);
        }, "5 1@0 2@100 to 105");
        row("write(ByteBuffer,long)", "appending", p -> {
            FileChannel channel = p.open(p.present, APPEND);
            return channel.write(bytes(5, 2), 7) + " " + p.content(p.present);
        }, "5 1@0 2@100 to 105");
        row("write(ByteBuffer[])", "appending", p -> {
            FileChannel channel = p.open(p.present, APPEND);
            return channel.write(new ByteBuffer[]{bytes(5, 2), bytes(0, 9), bytes(600, 3)}) + " "
                    + p.content(p.present);
        }, "605 1@0 2@100 3@105 to 705");
        row("write(ByteBuffer)", "appending in turn", p -> {
            FileChannel one = p.open(p.present, APPEND);
            FileChannel other = p.open(p.present, APPEND);
            one.write(bytes(1, 2));
            other.write(bytes(1, 3));
            one.write(bytes(1, 4));
            p.open(p.present, WRITE).write(bytes(1, 5), 103);
            other.write(bytes(1, 6));
            return p.content(p.present);
        }, "1@0 2@100 3@101 4@102 5@103 6@104 to 105");
        row("write(ByteBuffer)", "appending nothing", p -> p.open(p.present, APPEND).write(bytes(0, 2)), "0");
        row("read(ByteBuffer)", "appending", p -> p.open(p.present, APPEND).read(bytes(1, 0)),
                "NonReadableChannelException");
        row("transferFrom(ReadableByteChannel,long,long)", "appending", p -> {
            FileChannel channel = p.open(p.present, APPEND);
            byte[] source = new byte[]{7, 7, 7};
            return channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(source)), 10, 3) + " "
                    + p.content(p.present);
        }, "3 1@0 7@100 to 103");
        row("truncate(long)", "appending", p -> {
            FileChannel channel = p.open(p.present, APPEND);
            long position = channel.truncate(50).position();
            channel.write(bytes(1, 2));
            return position + " " + p.content(p.present);
        }, "50 1@0 2@50 to 51");
        row("lock(long,long,boolean)", "appending", p -> p.open(p.present, APPEND).lock(0, 1, false), "0+1 exclusive");
        row("lock(long,long,boolean)", "appending, shared", p -> p.open(p.present, APPEND).lock(0, 1, true),
                "NonReadableChannelException");
    }

    private static void growing() {
        row("write(ByteBuffer,long)", "behind the end", p -> {
            p.open(p.present, WRITE).write(bytes(1, 2), 5000);
            return p.content(p.present);
        }, "1@0 0@100 2@5000 to 5001");
        row("write(ByteBuffer)", "at a position behind the end", p -> {
            FileChannel channel = p.open(p.present, WRITE);
            return channel.position(600).write(bytes(3, 2)) + " " + channel.position() + " " + p.content(p.present);
        }, "3 603 1@0 0@100 2@600 to 603");
        row("write(ByteBuffer)", "across the end", p -> {
            p.open(p.present, WRITE).write(bytes(3_000_000, 2), 99);
            return p.content(p.present);
        }, "1@0 2@99 to 3000099");
        row("truncate(long)", "and grown again", p -> {
            FileChannel channel = p.open(p.present, READ, WRITE);
            channel.write(bytes(8192, 2), 0);
            channel.truncate(5000).write(bytes(1, 3), 6000);
            return p.content(p.present);
        }, "2@0 0@5000 3@6000 to 6001");
        row("truncate(long)", "to more", p -> p.open(p.present, WRITE).truncate(1000).size(), "100");
        row("truncate(long)", "to nothing", p -> {
            FileChannel channel = p.open(p.present, READ, WRITE);
            return channel.position(70).truncate(0).position() + " " + channel.read(bytes(1, 0)) + " "
                    + p.content(p.present);
        }, "0 -1 to 0");
        row("size()", "by another channel", p -> {
            FileChannel one = p.open(p.present, READ);
            p.open(p.present, APPEND).write(bytes(1, 2));
            return one.size() + " " + one.read(bytes(200, 0), 0);
        }, "101 101");
        row("write(ByteBuffer,long)", "as long as a file can be", p -> {
            FileChannel file = p.open(p.present, WRITE);
            return doneOrTooLarge(() -> file.write(bytes(1, 2), Long.MAX_VALUE - 1), file::size);
        }, "done, or too large");
        row("write(ByteBuffer,long)", "asynchronous, behind the end", p -> {
            p.openAsync(p.present, WRITE).write(bytes(1, 2), 5000).get();
            return p.content(p.present);
        }, "1@0 0@100 2@5000 to 5001");
        row("write(ByteBuffer,long)", "asynchronous, as long as a file can be", p -> {
            AsynchronousFileChannel file = p.openAsync(p.present, WRITE);
            return doneOrTooLarge(() -> {
                try {
                    return file.write(bytes(1, 2), Long.MAX_VALUE - 1).get();
                } catch (ExecutionException e) {
                    throw e.getCause() instanceof IOException cause ? cause : e;
                }
            }, file::size);
        }, "done, or too large");
        row("truncate(long)", "asynchronous", p -> p.openAsync(p.present, WRITE).truncate(7).size(), "7");
    }
}
