package io.blkmq.aio;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A path as the system knows it, which is bytes. The JDK keeps the bytes that a path came from, and makes a text of them that may not lead
 * back: not every name is valid in the encoding of the process's locale. The URI of a path has each byte, as itself or by number.
 */
final class PathName {

    private PathName() {}

    /** A C string, for the system's calls. */
    static MemorySegment of(Path path, Arena arena) {
        String text = path.toString();
        byte[] bytes = text.chars().allMatch(character -> character < 0x80)
                ? text.getBytes(StandardCharsets.US_ASCII)
                : decoded(path.toUri().getRawPath());
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
