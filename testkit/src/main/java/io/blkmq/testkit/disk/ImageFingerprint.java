package io.blkmq.testkit.disk;

import java.util.HexFormat;

/**
 * 128 bits that stand for the content of an image: images of equal content and size have equal ones, whatever way they were made, and
 * others differ but for a chance of one in 2<sup>128</sup>. It is made for telling states apart, and not to withstand somebody who wants
 * two that agree. Immutable.
 *
 * @param high the upper half
 * @param low the lower half
 * @since 0.1.0
 */
public record ImageFingerprint(long high, long low) {
    static final ImageFingerprint ZERO = new ImageFingerprint(0, 0);

    @Override
    public String toString() {
        HexFormat hex = HexFormat.of();
        return hex.toHexDigits(high) + hex.toHexDigits(low);
    }
}
