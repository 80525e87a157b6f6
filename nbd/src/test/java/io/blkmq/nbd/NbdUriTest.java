package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.NoRescues;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.List;
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

    /** It would block, and hold for ever. */
    @Test
    void aNameIsNotLookedUp() {
        NbdUri uri = NbdUri.parse("nbd://localhost:99/disk");
        assertThat(uri.address()).isEqualTo(InetSocketAddress.createUnresolved("localhost", 99));
        assertThat(uri).hasToString("nbd://localhost:99/disk");
        assertThat(NbdUri.parse("nbd://[::1]/").address())
                .isEqualTo(new InetSocketAddress(InetAddress.ofLiteral("::1"), 10809));
    }

    @Test
    void aUnixSocketStandsInTheQuery() {
        NbdUri uri = NbdUri.parse("nbds+unix:///my%20disk?socket=/tmp/a+b%20c");
        assertThat(uri.address()).isEqualTo(UnixDomainSocketAddress.of("/tmp/a+b c"));
        assertThat(uri.export()).isEqualTo("my disk");
        assertThat(uri.encrypted()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"nbd://127.0.0.1/disk", "nbd://127.0.0.1:99/", "nbd://no.such.host/d",
            "nbd+unix:///a?socket=/tmp/x", "nbds+unix:///?socket=/tmp/x%20y", "nbds://[::1]:5/a%2Bb",
            "nbds://127.0.0.1/?tls-certificates=/etc/a%20b", "nbds+unix:///d?tls-certificates=pki&socket=/tmp/x%26y"})
    void whatIsPrintedIsWhatWasRead(String text) {
        NbdUri uri = NbdUri.parse(text);
        assertThat(NbdUri.parse(uri.toString())).isEqualTo(uri);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "disk.img", "http://localhost/", "nbd:///disk", "nbd+unix:///disk",
            "nbd+unix:///?socket=", "nbd+unix:///?socket=/a&x=1", "nbd://localhost/?x=1", "nbd://local host/",
            "nbd://localhost:0/", "nbd://localhost:70000/", "nbd://localhost/?tls-certificates=/a",
            "nbd+unix:///?socket=/a&socket=/b", "nbd://localhost/?socket=/a", "nbd+unix:///?/a"})
    void whatIsWrongIsRefusedByName(String text) {
        assertThatThrownBy(() -> NbdUri.parse(text)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(text);
    }

    @Test
    void certificatesAreADirectoryOfTheClient() {
        NbdUri uri = NbdUri.parse("nbds+unix:///d?socket=/tmp/x&tls-certificates=/etc/pki%2Cmine");
        assertThat(uri.certificates()).isEqualTo(Path.of("/etc/pki,mine"));
    }

    @Test
    void aPathIsNotMeantAsAUri() {
        assertThat(List.of("nbd://h/", "nbds://h/", "nbd+unix:x", "nbds+unix:///")).allMatch(NbdUri::isMeantBy);
        assertThat(List.of("", "nbd", "nbd.img", "./nbd:x", "mem:1m", ":", "NBD.img:1")).noneMatch(NbdUri::isMeantBy);
    }
}
