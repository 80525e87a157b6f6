package io.blkmq.testkit.disk;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads a trace, one record after the other in the order in which bios were submitted. A trace whose writer has died is read like any
 * other: what it was in the middle of is left out and counted. For one thread.
 *
 * @see TraceRecorder
 * @since 0.1.0
 */
public final class TraceReader implements AutoCloseable {
    private static final int PIECE_RECORDS = 4096;

    private final FileChannel file;
    private final TraceFormat.Header header;
    private final ByteBuffer piece = ByteBuffer.allocate(PIECE_RECORDS * TraceFormat.RECORD_BYTES);
    private final MemorySegment pieceMemory = MemorySegment.ofArray(piece.array());
    /** Where in the file the next piece begins. */
    private long nextPiece;
    private int records;
    private int next;
    private long damaged;

    private TraceReader(FileChannel file, TraceFormat.Header header) {
        this.file = file;
        this.header = header;
        this.nextPiece = header.recordsAt();
    }

    /**
     * Opens a trace.
     *
     * @param file of a {@link TraceRecorder}, which may still be writing it
     * @return the reader, to be closed
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it is no trace, or of another version
     */
    public static TraceReader open(Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        try {
            ByteBuffer header = ByteBuffer.allocate(TraceFormat.HEADER_BYTES);
            readFully(channel, header, 0);
            byte[] bytes = new byte[header.position()];
            header.flip().get(bytes);
            return new TraceReader(channel, TraceFormat.parseHeader(bytes));
        } catch (IllegalArgumentException e) {
            channel.close();
            throw new IllegalArgumentException(file + " " + e.getMessage(), e);
        } catch (Throwable t) {
            channel.close();
            throw t;
        }
    }

    private static void readFully(FileChannel from, ByteBuffer to, long at) throws IOException {
        int read = 0;
        while (to.hasRemaining() && read >= 0) {
            read = from.read(to, at + to.position());
        }
    }

    /**
     * The disk that was recorded.
     *
     * @return its name
     */
    public String diskName() {
        return header.diskName();
    }

    /**
     * How large the disk was.
     *
     * @return bytes
     */
    public long diskBytes() {
        return header.diskBytes();
    }

    /**
     * The disk's unit of I/O.
     *
     * @return bytes
     */
    public int logicalBlockBytes() {
        return header.logicalBlockBytes();
    }

    /**
     * The next record.
     *
     * @return null at the end
     * @throws IOException if it cannot be read
     */
    public @Nullable TraceRecord next() throws IOException {
        for (;;) {
            if (next == records && !nextPiece()) {
                return null;
            }
            long at = (long) next++ * TraceFormat.RECORD_BYTES;
            // A record that was never written is one whose bio was being submitted, or lies behind the end.
            if (!TraceFormat.isEmpty(pieceMemory, at)) {
                TraceRecord record = TraceFormat.parse(pieceMemory, at);
                if (record != null) {
                    return record;
                }
                damaged++;
            }
        }
    }

    private boolean nextPiece() throws IOException {
        readFully(file, piece.clear(), nextPiece);
        records = piece.position() / TraceFormat.RECORD_BYTES;
        next = 0;
        nextPiece += (long) records * TraceFormat.RECORD_BYTES;
        return records > 0;
    }

    /**
     * All records that are left.
     *
     * @return in the order in which they were submitted
     * @throws IOException if they cannot be read
     */
    public List<TraceRecord> readAll() throws IOException {
        List<TraceRecord> all = new ArrayList<>();
        for (TraceRecord record = next(); record != null; record = next()) {
            all.add(record);
        }
        return all;
    }

    /**
     * How many records that were read could not be made sense of.
     *
     * @return 0 unless the file is damaged
     */
    public long damaged() {
        return damaged;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
