package io.blkmq.tools.report;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AmountTest {
    @ParameterizedTest
    @CsvSource({"0, 0B", "512, 512B", "4096, 4.00KiB", "65536, 64.0KiB", "1048576, 1.00MiB", "34359738368, 32.0GiB"})
    void sizesAreInPowersOf1024(double bytes, String text) {
        assertThat(Amount.bytes(bytes)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "999, 999", "1000, 1.00k", "64123, 64.1k", "856400, 856k", "19420000, 19.4M", "12.5, 12.5"})
    void countsHaveThreeDigits(double count, String text) {
        assertThat(Amount.count(count)).isEqualTo(text);
    }
}
