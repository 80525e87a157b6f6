package io.blkmq.core.counters.layout;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/** A text in a counters file: its length in bytes, a short, and so many bytes of UTF-8. */
public final class CountersText {
    private static final int LENGTH_BYTES = 2;

    private CountersText() {}

    /**
     * Writes as much of a text as there is room for, in whole characters.
     *
     * @param memory where
     * @param at its offset
     * @param room how many bytes it may take, with its length
     * @param text any
     */
    public static void put(MemorySegment memory, long at, int room, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, room - LENGTH_BYTES);
        // The byte behind the end is not the middle of a character.
        while (length < bytes.length && length > 0 && (bytes[length] & 0xC0) == 0x80) {
            length--;
        }
        memory.set(CountersLayout.SHORT, at, (short) length);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, at + LENGTH_BYTES, length);
    }

    /**
     * Reads a text. A length that there is no room for is cut, and control characters are shown as question marks: whoever prints the text must not
     * have his terminal changed by it.
     *
     * @param memory where
     * @param at its offset
     * @param room how many bytes it may take, with its length
     * @return as it was written, if it was
     */
    public static String get(MemorySegment memory, long at, int room) {
        int length = Math.min(Short.toUnsignedInt(memory.get(CountersLayout.SHORT, at)), room - LENGTH_BYTES);
        byte[] bytes = memory.asSlice(at + LENGTH_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.UTF_8).replaceAll("\\p{Cc}", "?");
    }

    /**
     * What is read of a text that was written.
     *
     * @param text any
     * @param room how many bytes it may take, with its length
     * @return its first characters, without control characters
     */
    public static String fitting(String text, int room) {
        MemorySegment memory = MemorySegment.ofArray(new short[Math.ceilDiv(room, LENGTH_BYTES)]);
        put(memory, 0, room, text);
        return get(memory, 0, room);
    }
}
