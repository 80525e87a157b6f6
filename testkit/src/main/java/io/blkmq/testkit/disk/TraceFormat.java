package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The file of a trace, in little-endian order: a header, and records of equal length in the order in which bios were submitted.
 *
 * <pre>
 *   header   0  magic "blkmqtrc"        record   0  submitted, nanoseconds since the beginning
 *            8  version, int                     8  latency, nanoseconds; -1 while in flight
 *           12  length of the header, int       16  sector
 *           16  length of a record, int         24  sectors, 40 bits; flags, 8 bits; thread, 16 bits
 *           20  logical block bytes, int        32  operation, status, mark, 8, 8 and 16 bits; check, 32 bits
 *           24  device bytes
 *           32  length of the name, int
 *           36  the name in UTF-8, up to 92 bytes
 * </pre>
 *
 * <p>A record is written when its bio is submitted, and again where it stands when the bio has ended. Its last word goes last, and holds a
 * check over the others: so a reader can tell what a writer was in the middle of when it died. A record that was being written for the
 * second time is read as one in flight.
 */
final class TraceFormat {
    static final int VERSION = 1;
    static final int HEADER_BYTES = 128;
    static final int RECORD_BYTES = 40;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** Aligned, so that it can be written at once and after all before it. */
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final byte[] MAGIC = "blkmqtrc".getBytes(StandardCharsets.US_ASCII);
    private static final int NAME_AT = 36;
    private static final int NAME_BYTES_MAX = HEADER_BYTES - NAME_AT;
    private static final long SECTORS_MAX = (1L << 40) - 1;
    private static final int FLAGS_SHIFT = 40;
    private static final int THREAD_SHIFT = 48;
    private static final int STATUS_SHIFT = 8;
    private static final int MARK_SHIFT = 16;
    private static final int CHECK_SHIFT = 32;
    private static final int BYTE_MASK = 0xFF;
    private static final long MARK = 0xB10C;
    private static final int IN_FLIGHT = 0xFF;
    private static final int LAST_WORD = 32;

    private TraceFormat() {}

    // ---- the header

    /**
     * What stands in a header.
     *
     * @param recordsAt where the records begin
     */
    record Header(String diskName, long diskBytes, int logicalBlockBytes, int recordsAt) {}

    static byte[] header(String diskName, long diskBytes, int logicalBlockBytes) {
        byte[] bytes = new byte[HEADER_BYTES];
        MemorySegment to = MemorySegment.ofArray(bytes);
        System.arraycopy(MAGIC, 0, bytes, 0, MAGIC.length);
        to.set(INT, 8, VERSION);
        to.set(INT, 12, HEADER_BYTES);
        to.set(INT, 16, RECORD_BYTES);
        to.set(INT, 20, logicalBlockBytes);
        to.set(LONG, 24, diskBytes);
        byte[] name = diskName.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(name.length, NAME_BYTES_MAX);
        to.set(INT, 32, length);
        System.arraycopy(name, 0, bytes, NAME_AT, length);
        return bytes;
    }

    /**
     * Reads a header.
     *
     * @throws IllegalArgumentException if it is none, or of another version; says what is wrong
     */
    static Header parseHeader(byte[] bytes) {
        MemorySegment from = MemorySegment.ofArray(bytes);
        if (bytes.length < HEADER_BYTES || from.mismatch(MemorySegment.ofArray(MAGIC)) != MAGIC.length) {
            throw new IllegalArgumentException("is no trace: it does not begin with the header of one");
        }
        int version = from.get(INT, 8);
        int headerBytes = from.get(INT, 12);
        int recordBytes = from.get(INT, 16);
        int nameBytes = from.get(INT, 32);
        if (version != VERSION) {
            throw new IllegalArgumentException(
                    "is a trace of version " + version + "; this one reads version " + VERSION);
        }
        if (headerBytes != HEADER_BYTES || recordBytes != RECORD_BYTES || nameBytes < 0 || nameBytes > NAME_BYTES_MAX) {
            throw new IllegalArgumentException("is a damaged trace: a header of " + headerBytes + " bytes, records of "
                    + recordBytes + " bytes and a name of " + nameBytes + " bytes instead of " + HEADER_BYTES + ", "
                    + RECORD_BYTES + " and up to " + NAME_BYTES_MAX);
        }
        return new Header(new String(bytes, NAME_AT, nameBytes, StandardCharsets.UTF_8), from.get(LONG, 24),
                from.get(INT, 20), headerBytes);
    }

    // ---- records

    /** Writes a record of a bio in flight. */
    static void submit(MemorySegment to, long at, TraceRecord record) {
        long sectors = Math.min(SECTORS_MAX, record.bytes() / QueueLimits.SECTOR_BYTES);
        to.set(LONG, at, record.submitNanos());
        to.set(LONG, at + 8, -1);
        to.set(LONG, at + 16, record.sector());
        to.set(LONG, at + 24, sectors | (long) record.flags() << FLAGS_SHIFT | (long) record.thread() << THREAD_SHIFT);
        seal(to, at, code(record.operation()), IN_FLIGHT);
    }

    /** Completes a record where it stands. */
    static void end(MemorySegment to, long at, long latencyNanos, Status status) {
        int operation = (int) to.get(LONG, at + LAST_WORD) & BYTE_MASK;
        to.set(LONG, at + 8, latencyNanos);
        seal(to, at, operation, status.errno());
    }

    private static void seal(MemorySegment to, long at, int operation, int status) {
        long low = operation | (long) status << STATUS_SHIFT | MARK << MARK_SHIFT;
        long check = check(to, at, to.get(LONG, at + 8), low);
        // Release: the words before are there when this one is.
        WORD.setRelease(to, at + LAST_WORD, low | check << CHECK_SHIFT);
    }

    private static long check(MemorySegment of, long at, long latencyNanos, long low) {
        long mixed = SectorHash.mix(of.get(LONG, at) + low);
        mixed = SectorHash.mix(mixed ^ latencyNanos);
        mixed = SectorHash.mix(mixed + of.get(LONG, at + 16));
        return SectorHash.mix(mixed ^ of.get(LONG, at + 24)) >>> CHECK_SHIFT;
    }

    /** Whether nothing was ever written to a record. */
    static boolean isEmpty(MemorySegment from, long at) {
        return from.get(LONG, at + LAST_WORD) == 0;
    }

    /** Reads a record; null if it is damaged. */
    static @Nullable TraceRecord parse(MemorySegment from, long at) {
        long last = from.get(LONG, at + LAST_WORD);
        long low = last & (1L << CHECK_SHIFT) - 1;
        long latencyNanos = from.get(LONG, at + 8);
        int status = (int) (low >>> STATUS_SHIFT) & BYTE_MASK;
        if (last >>> CHECK_SHIFT != check(from, at, latencyNanos, low)) {
            // Perhaps its writer died between the latency and the last word.
            latencyNanos = -1;
            if (status != IN_FLIGHT || last >>> CHECK_SHIFT != check(from, at, latencyNanos, low)) {
                return null;
            }
        }
        Operation operation = operation((int) low & BYTE_MASK);
        if (operation == null || low >>> MARK_SHIFT != MARK) {
            return null;
        }
        long word = from.get(LONG, at + 24);
        return new TraceRecord(from.get(LONG, at), latencyNanos, operation, from.get(LONG, at + 16),
                (word & SECTORS_MAX) * QueueLimits.SECTOR_BYTES, (int) (word >>> FLAGS_SHIFT) & BYTE_MASK,
                (int) (word >>> THREAD_SHIFT), status == IN_FLIGHT ? null : Status.ofErrno(status));
    }

    private static int code(Operation operation) {
        return switch (operation) {
            case READ -> 1;
            case WRITE -> 2;
            case FLUSH -> 3;
            case DISCARD -> 4;
            case WRITE_ZEROES -> 5;
        };
    }

    private static @Nullable Operation operation(int code) {
        return switch (code) {
            case 1 -> Operation.READ;
            case 2 -> Operation.WRITE;
            case 3 -> Operation.FLUSH;
            case 4 -> Operation.DISCARD;
            case 5 -> Operation.WRITE_ZEROES;
            default -> null;
        };
    }
}
