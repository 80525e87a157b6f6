package io.blkmq.tools.job;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The values of the key {@code verify}. */
public enum VerifyMethod {
    /** Nothing is verified. */
    NONE,
    /** CRC-32C. */
    CRC32C,
    /** The CRC-32 of Ethernet's polynomial, its highest bit first. */
    CRC32,
    /** A CRC of 64 bits. */
    CRC64,
    /** A CRC of 16 bits. */
    CRC16,
    /** A CRC of 7 bits. */
    CRC7,
    /** MD5. */
    MD5,
    /** SHA-1. */
    SHA1,
    /** SHA-256. */
    SHA256,
    /** SHA-512. */
    SHA512,
    /** SHA-3. */
    SHA3_224,
    /** SHA-3. */
    SHA3_256,
    /** SHA-3. */
    SHA3_384,
    /** SHA-3. */
    SHA3_512,
    /** XXH32. */
    XXHASH,
    /** The header alone. */
    META,
    /** The pattern, without a header. */
    PATTERN;

    static VerifyMethod parse(String text) {
        String name = text.strip();
        if (name.equals("0") || name.equals("null")) {
            return NONE;
        }
        for (VerifyMethod method : values()) {
            if (method != NONE
                    && (method.keyValue().equals(name) || (method == CRC32C && name.equals("crc32c-intel")))) {
                return method;
            }
        }
        throw new IllegalArgumentException("\"" + name + "\" is not possible; possible are "
                + Arrays.stream(values()).skip(1).map(VerifyMethod::keyValue).collect(Collectors.joining(", "))
                + " and 0");
    }

    /**
     * Its name in a job file.
     *
     * @return in small letters
     */
    public String keyValue() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
