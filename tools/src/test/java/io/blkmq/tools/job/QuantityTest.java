package io.blkmq.tools.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantityTest {
    @ParameterizedTest
    @CsvSource({"0, 0", "512, 512", "4k, 4096", "4K, 4096", "4kb, 4096", "4ki, 4096", "4kib, 4000", "1m, 1048576",
            "1mib, 1000000", "32G, 34359738368", "2t, 2199023255552", "1p, 1125899906842624", "7b, 7"})
    void sizesHaveFiosUnits(String text, long bytes) {
        assertThat(Quantity.bytes(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource({"20, 20000000000", "20s, 20000000000", "500ms, 500000000", "10us, 10000", "2m, 120000000000",
            "1h, 3600000000000", "1d, 86400000000000"})
    void timesAreSecondsUnlessTheySayOtherwise(String text, long nanos) {
        assertThat(Quantity.nanos(text)).isEqualTo(nanos);
    }

    @ParameterizedTest
    @CsvSource({"'', is needed", "k, is needed", "-4k, negative", "4x, unknown unit", "4kk, unknown unit",
            "99999999999999999999, too large", "9999999p, too large", "1.5m, unknown unit"})
    void sizesThatMakeNoSenseAreRefused(String text, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> Quantity.bytes(text)).withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource({"0, '1 to 8'", "9, '1 to 8'", "4k, '1 to 8'", "4kb, not a number", "4x, not a number", "-1, negative"})
    void countsStayWithinTheirBounds(String text, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> Quantity.count(text, 1, 8))
                .withMessageContaining(message);
    }
}
