package io.blkmq.nbd.wire;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Reads the data of an option, and notes where they are not what they should be. For one thread. */
public final class OptionReader {
    private final ByteBuffer data;
    private @Nullable String wrong;

    /**
     * Begins to read.
     *
     * @param data of the option; all of them, and nothing else
     */
    public OptionReader(ByteBuffer data) {
        this.data = data;
    }

    /**
     * A string with its length before it.
     *
     * @return empty once something is wrong
     */
    public String string() {
        return string(uint32());
    }

    /**
     * What is left, as a string.
     *
     * @return empty once something is wrong
     */
    public String rest() {
        return string(data.remaining());
    }

    private String string(long bytes) {
        if (wrong == null && bytes > Nbd.STRING_BYTES_MAX) {
            wrong = "a string of " + bytes + " bytes: " + Nbd.STRING_BYTES_MAX + " are allowed";
        }
        if (!has(bytes)) {
            return "";
        }
        ByteBuffer part = data.slice(data.position(), (int) bytes);
        data.position(data.position() + (int) bytes);
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(part).toString();
            if (text.indexOf('\0') >= 0) {
                wrong = "a string with a NUL";
                return "";
            }
            return text;
        } catch (CharacterCodingException e) {
            wrong = "a string that is not UTF-8";
            return "";
        }
    }

    /**
     * A number of 32 bits.
     *
     * @return 0 once something is wrong
     */
    public long uint32() {
        return has(4) ? Integer.toUnsignedLong(data.getInt()) : 0;
    }

    /**
     * A number of 16 bits.
     *
     * @return 0 once something is wrong
     */
    public int uint16() {
        return has(2) ? Short.toUnsignedInt(data.getShort()) : 0;
    }

    private boolean has(long bytes) {
        if (wrong == null && data.remaining() < bytes) {
            wrong = bytes + " bytes where " + data.remaining() + " are left";
        }
        return wrong == null;
    }

    /**
     * What is wrong, once all is read.
     *
     * @return for people; null if nothing is wrong and nothing is left
     */
    public @Nullable String wrong() {
        if (wrong == null && data.hasRemaining()) {
            return data.remaining() + " bytes too many";
        }
        return wrong;
    }

    /**
     * Whether something is wrong so far.
     *
     * @return true if what was read is not to be used
     */
    public boolean isWrong() {
        return wrong != null;
    }
}
