package io.blkmq.aio;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A path as the system knows it, which is bytes. The JDK keeps the bytes that a path came from, and makes a text of them that may not lead
 * back: not every name is valid in the encoding of the process's locale. The URI of a path has each byte, as itself or by number.
 */
final class PathName {

    private static final char REPLACEMENT = '\ufffd';
    private static final boolean UTF_8 = "UTF-8".equalsIgnoreCase(System.getProperty("sun.jnu.encoding"));

    private PathName() {}

    /** A C string, for the system's calls. May look at the file. */
    static MemorySegment of(Path path, Arena arena) {
        byte[] bytes = bytesAtOnce(path);
        return string(bytes != null ? bytes : decoded(path.toUri().getRawPath()), arena);
    }

    /** The same without asking the system, which may block; null if the text does not tell the bytes. */
    static @Nullable MemorySegment atOnce(Path path, Arena arena) {
        byte[] bytes = bytesAtOnce(path);
        return bytes == null ? null : string(bytes, arena);
    }

    private static byte @Nullable [] bytesAtOnce(Path path) {
        String text = path.toString();
        if (text.chars().allMatch(character -> character < 0x80)) {
            return text.getBytes(StandardCharsets.US_ASCII);
        }
        // Of bytes that are not valid the JDK makes this; all others are those of the text.
        return UTF_8 && text.indexOf(REPLACEMENT) < 0 ? text.getBytes(StandardCharsets.UTF_8) : null;
    }

    private static MemorySegment string(byte[] bytes, Arena arena) {
        MemorySegment name = arena.allocate(bytes.length + 1L);
        MemorySegment.copy(bytes, 0, name, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return name;
    }

    private static byte[] decoded(String raw) {
        var bytes = new ByteArrayOutputStream(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char character = raw.charAt(i);
            if (character == '%') {
                bytes.write(Integer.parseInt(raw, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(character);
            }
        }
        return bytes.toByteArray();
    }
}
