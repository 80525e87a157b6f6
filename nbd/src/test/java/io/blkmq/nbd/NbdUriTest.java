package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.NoRescues;
import java.net.UnixDomainSocketAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@NoRescues
class NbdUriTest {
    @Test
    void aPortThatIsNotSaidIsTheAssignedOne() {
        NbdUri uri = NbdUri.parse("nbd://127.0.0.1/disk");
        assertThat(uri.address()).hasToString("/127.0.0.1:10809");
        assertThat(uri.export()).isEqualTo("disk");
        assertThat(uri.encrypted()).isFalse();
    }

    @Test
    void aUnixSocketStandsInTheQuery() {
        NbdUri uri = NbdUri.parse("nbds+unix:///my%20disk?socket=/tmp/a+b%20c");
        assertThat(uri.address()).isEqualTo(UnixDomainSocketAddress.of("/tmp/a+b c"));
        assertThat(uri.export()).isEqualTo("my disk");
        assertThat(uri.encrypted()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"nbd://127.0.0.1/disk", "nbd://127.0.0.1:99/", "nbd+unix:///a?socket=/tmp/x",
            "nbds+unix:///?socket=/tmp/x%20y", "nbds://[::1]:5/a%2Bb"})
    void whatIsPrintedIsWhatWasRead(String text) {
        NbdUri uri = NbdUri.parse(text);
        assertThat(NbdUri.parse(uri.toString())).isEqualTo(uri);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "disk.img", "http://localhost/", "nbd:///disk", "nbd+unix:///disk",
            "nbd+unix:///?socket=", "nbd+unix:///?socket=/a&x=1", "nbd://localhost/?x=1", "nbd://local host/"})
    void whatIsWrongIsRefusedByName(String text) {
        assertThatThrownBy(() -> NbdUri.parse(text)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(text);
    }
}
