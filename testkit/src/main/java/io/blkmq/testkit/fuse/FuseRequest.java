package io.blkmq.testkit.fuse;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A request of the kernel, in the buffer that it was read to. One object serves for all requests of a reader, one after another.
 * Each access is checked against the length of the request, not of the buffer: a request that is shorter than its operation throws
 * {@link IndexOutOfBoundsException} and shows nothing of the request before it.
 */
final class FuseRequest {
    private static final long LEN = FuseAbi.offset(FuseAbi.IN_HEADER, "len");
    private static final long OPCODE = FuseAbi.offset(FuseAbi.IN_HEADER, "opcode");
    private static final long UNIQUE = FuseAbi.offset(FuseAbi.IN_HEADER, "unique");
    private static final long NODE = FuseAbi.offset(FuseAbi.IN_HEADER, "nodeid");
    private static final long UID = FuseAbi.offset(FuseAbi.IN_HEADER, "uid");
    private static final long GID = FuseAbi.offset(FuseAbi.IN_HEADER, "gid");
    private static final long HEADER_BYTES = FuseAbi.IN_HEADER.byteSize();

    /** A name that no {@link String} stands for: its bytes are not UTF-8. */
    static final class UnreadableName extends Exception {
        private static final long serialVersionUID = 1;

        UnreadableName(byte[] name) {
            super("a name is not UTF-8: " + Arrays.toString(name), null, false, false);
        }
    }

    private final MemorySegment buffer;
    private MemorySegment body = MemorySegment.NULL;

    FuseRequest(MemorySegment buffer) {
        this.buffer = buffer;
    }

    /**
     * Takes over what was read.
     *
     * @return whether it is a request at all
     */
    boolean take(long bytes) {
        boolean whole = bytes >= HEADER_BYTES && bytes == Integer.toUnsignedLong(buffer.get(ValueLayout.JAVA_INT, LEN));
        body = whole ? buffer.asSlice(HEADER_BYTES, bytes - HEADER_BYTES) : MemorySegment.NULL;
        return whole;
    }

    int opcode() {
        return buffer.get(ValueLayout.JAVA_INT, OPCODE);
    }

    /** The number of the request, which its reply has. */
    long unique() {
        return buffer.get(ValueLayout.JAVA_LONG, UNIQUE);
    }

    /** The node that it is about. */
    long node() {
        return buffer.get(ValueLayout.JAVA_LONG, NODE);
    }

    /** Who asks. */
    int uid() {
        return buffer.get(ValueLayout.JAVA_INT, UID);
    }

    int gid() {
        return buffer.get(ValueLayout.JAVA_INT, GID);
    }

    /** How long it is without its header. */
    long bodyBytes() {
        return body.byteSize();
    }

    int intAt(long offset) {
        return body.get(ValueLayout.JAVA_INT, offset);
    }

    long longAt(long offset) {
        return body.get(ValueLayout.JAVA_LONG, offset);
    }

    /** A range of the body, good until the next request. */
    MemorySegment data(long offset, long bytes) {
        return body.asSlice(offset, bytes);
    }

    /** The name that begins there and ends with a zero byte. */
    String nameAt(long offset) throws UnreadableName {
        long end = endOfName(offset);
        byte[] bytes = new byte[(int) (end - offset)];
        MemorySegment.copy(body, ValueLayout.JAVA_BYTE, offset, bytes, 0, bytes.length);
        String name = new String(bytes, StandardCharsets.UTF_8);
        if (name.indexOf('\uFFFD') >= 0 && !Arrays.equals(name.getBytes(StandardCharsets.UTF_8), bytes)) {
            throw new UnreadableName(bytes);
        }
        return name;
    }

    /** What follows the name that begins there. */
    long afterName(long offset) {
        return endOfName(offset) + 1;
    }

    private long endOfName(long offset) {
        long end = offset;
        while (body.get(ValueLayout.JAVA_BYTE, end) != 0) {
            end++;
        }
        return end;
    }

    @Override
    public String toString() {
        return "request " + unique() + " with opcode " + opcode() + " for node " + node() + " and " + bodyBytes()
                + " bytes";
    }
}
