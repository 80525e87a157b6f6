package example;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A write-ahead log. A record for which {@link #append} has returned is there after a crash, and so are all before it.
 *
 * <p>The file CURRENT has the name of the log file. A record in the log file is its length, a checksum, and its bytes. The first record
 * that is not whole ends the log: it was being written when the machine crashed. {@link #rewrite} replaces the log file by another one.
 */
public final class RecordLog implements AutoCloseable {
    private static final int HEADER_BYTES = 8;
    private static final int RECORD_BYTES_MAX = 1 << 20;

    private final Path directory;
    private FileChannel log;
    private int number;
    private final List<String> records = new ArrayList<>();

    private RecordLog(Path directory, int number) throws IOException {
        this.directory = directory;
        this.number = number;
        this.log = FileChannel.open(file(number), StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    public static RecordLog open(Path directory) throws IOException {
        int number;
        try {
            number = Integer.parseInt(Files.readString(directory.resolve("CURRENT")).strip());
        } catch (NoSuchFileException e) {
            number = 1;
            FileChannel.open(directory.resolve("log.1"), StandardOpenOption.CREATE, StandardOpenOption.WRITE).close();
            setCurrent(directory, number);
        }
        RecordLog opened = new RecordLog(directory, number);
        try {
            opened.recover();
            return opened;
        } catch (Throwable t) {
            opened.close();
            throw t;
        }
    }

    /** Reads whole records, and cuts off what follows them. */
    private void recover() throws IOException {
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
        long at = 0;
        while (readWholly(header.clear(), at)) {
            int length = header.getInt(0);
            if (length <= 0 || length > RECORD_BYTES_MAX) {
                break;
            }
            ByteBuffer bytes = ByteBuffer.allocate(length);
            if (!readWholly(bytes, at + HEADER_BYTES) || checksum(bytes.array()) != header.getInt(4)) {
                break;
            }
            records.add(new String(bytes.array(), StandardCharsets.UTF_8));
            at += HEADER_BYTES + length;
        }
        log.truncate(at);
        log.position(at);
    }

    private boolean readWholly(ByteBuffer target, long at) throws IOException {
        while (target.hasRemaining()) {
            if (log.read(target, at + target.position()) < 0) {
                return false;
            }
        }
        return true;
    }

    private static int checksum(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, bytes.length);
        return (int) crc.getValue();
    }

    /**
     * Adds a record, durably. After a failure of any kind the log is closed: it may end with a part of the record, behind which no other would be
     * found.
     *
     * @throws IllegalArgumentException if the record is empty, or has more than {@value #RECORD_BYTES_MAX} bytes in UTF-8; nothing has changed then
     */
    public void append(String record) throws IOException {
        byte[] bytes = bytesOf(record);
        try {
            write(log, bytes);
            log.force(false);
        } catch (Throwable t) {
            log.close();
            throw t;
        }
        records.add(record);
    }

    /** The bytes of a record that recovery takes for one. */
    private static byte[] bytesOf(String record) {
        byte[] bytes = record.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length > RECORD_BYTES_MAX) {
            throw new IllegalArgumentException("a record of " + bytes.length + " bytes: 1 to " + RECORD_BYTES_MAX + " are possible");
        }
        return bytes;
    }

    private static void write(FileChannel to, byte[] bytes) throws IOException {
        ByteBuffer entry = ByteBuffer.allocate(HEADER_BYTES + bytes.length);
        entry.putInt(bytes.length).putInt(checksum(bytes)).put(bytes).flip();
        while (entry.hasRemaining()) {
            to.write(entry);
        }
    }

    public List<String> records() {
        return List.copyOf(records);
    }

    /**
     * Keeps these records and no others, in a new log file; a crash leaves either all of the old ones or all of these. After a failure of any kind
     * the log is closed: CURRENT may have the name of either file.
     *
     * @throws IllegalArgumentException if {@link #append} would throw it for one of them; nothing has changed then
     */
    public void rewrite(List<String> kept) throws IOException {
        List<byte[]> all = kept.stream().map(RecordLog::bytesOf).toList();
        try (FileChannel _ = log) {
            FileChannel next = FileChannel.open(file(number + 1), StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.READ, StandardOpenOption.WRITE);
            log = next;
            for (byte[] record : all) {
                write(next, record);
            }
            next.force(true);
            setCurrent(directory, number + 1);
            Files.delete(file(number));
        } catch (Throwable t) {
            log.close();
            throw t;
        }
        number++;
        records.clear();
        records.addAll(kept);
    }

    private static void setCurrent(Path directory, int number) throws IOException {
        Path next = directory.resolve("CURRENT.next");
        try (FileChannel channel = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            channel.write(StandardCharsets.UTF_8.encode(number + "\n"));
            channel.force(true);
        }
        // The log file that CURRENT is about to name must have its own name before.
        sync(directory);
        Files.move(next, directory.resolve("CURRENT"), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        sync(directory);
    }

    /** Makes the names in a directory durable. */
    private static void sync(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private Path file(int which) {
        return directory.resolve("log." + which);
    }

    @Override
    public void close() throws IOException {
        log.close();
    }
}
