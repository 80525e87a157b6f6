package io.blkmq.rbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.AioEngines;
import io.blkmq.loop.LoopConfig;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Names of images, and what follows from a name before anything is opened. Needs neither Ceph nor its libraries. */
class RbdAddressTest {
    @Test
    void allPartsAreRead() {
        RbdAddress address = RbdAddress
                .parse("rbd:pool/space/image@snap:conf=/etc/ceph/other.conf:id=user:wait=5:rbd_cache=false");
        assertThat(address.pool()).isEqualTo("pool");
        assertThat(address.namespace()).isEqualTo("space");
        assertThat(address.image()).isEqualTo("image");
        assertThat(address.snapshot()).isEqualTo("snap");
        assertThat(address.conf()).isEqualTo("/etc/ceph/other.conf");
        assertThat(address.user()).isEqualTo("user");
        assertThat(address.waitSeconds()).isEqualTo(5);
        assertThat(address.options()).isEqualTo(Map.of("rbd_cache", "false"));
        assertThat(RbdAddress.parse(address.path().toString())).isEqualTo(address);
    }

    @Test
    void whatIsNotSaidHasADefault() {
        RbdAddress address = RbdAddress.parse("rbd:pool/image");
        assertThat(address.namespace()).isEmpty();
        assertThat(address.snapshot()).isNull();
        assertThat(address.conf()).isNull();
        assertThat(address.user()).isEqualTo("admin");
        assertThat(address.waitSeconds()).isEqualTo(RbdAddress.WAIT_SECONDS);
        assertThat(address.options()).isEmpty();
    }

    @Test
    void aBackslashTakesAMeaningAway() {
        RbdAddress address = RbdAddress.parse("rbd:my\\:pool/a\\@b:mon_host=127.0.0.1\\:6789");
        assertThat(address.pool()).isEqualTo("my:pool");
        assertThat(address.image()).isEqualTo("a@b");
        assertThat(address.options()).isEqualTo(Map.of("mon_host", "127.0.0.1:6789"));
        RbdAddress made = RbdAddress.of("my:pool", "a@b", Path.of("/a:b.conf"), "u");
        assertThat(made.pool()).isEqualTo("my:pool");
        assertThat(made.image()).isEqualTo("a@b");
        assertThat(made.conf()).isEqualTo("/a:b.conf");
        assertThat(made.user()).isEqualTo("u");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"disk.img|does not begin with rbd:", "rbd:|pool and image are needed",
            "rbd:pool|pool and image are needed", "rbd:a/b/c/d|pool and image are needed", "rbd:pool/|a name is empty",
            "rbd:pool/image@|a name is empty", "rbd:pool/image@a@b|more than one snapshot",
            "rbd:pool/image:conf|\"conf\" is no KEY=VALUE", "rbd:pool/image:conf=|\"conf=\" is no KEY=VALUE",
            "rbd:pool/image:id=a:id=b|key id is given twice", "rbd:pool/image:wait=0|wait 0 is not in 1 to 3600",
            "rbd:pool/image:wait=3601|wait 3601 is not in 1 to 3600", "rbd:pool/image:wait=soon|wait soon"})
    void whatMakesNoSenseIsRefusedWithTheForm(String text, String why) {
        assertThatThrownBy(() -> RbdAddress.parse(text)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(text).hasMessageContaining(why)
                .hasMessageContaining("rbd:POOL[/NAMESPACE]/IMAGE");
    }

    @Test
    void theNameChoosesTheEngine() {
        Path image = Path.of("rbd:pool/image");
        assertThat(AioEngines.namedBy(image))
                .hasValueSatisfying(provider -> assertThat(provider.name()).isEqualTo(RbdEngineProvider.NAME));
        assertThat(AioEngines.namedBy(Path.of("disk.img"))).isEmpty();
        assertThat(LoopConfig.builder(image).build().parameters().engine()).isEqualTo("rbd");
        assertThat(LoopConfig.builder(image).hardwareQueues(2).build().parameters().engine()).isEqualTo("rbd");
        assertThatThrownBy(() -> LoopConfig.builder(image).engine("channel").build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("engine channel: rbd:pool/image is opened by engine rbd alone");
        assertThatThrownBy(() -> LoopConfig.builder(image).createBytes(4096).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("createBytes 4096");
    }

    @Test
    void aKeyIsInNoMessage() {
        String text = "rbd:pool/image:key=AQ\\:secret==:id=user";
        assertThat(RbdAddress.parse(text)).hasToString("rbd:pool/image:key=...:id=user");
        assertThat(RbdAddress.parse(text).options()).containsEntry("key", "AQ:secret==");
        assertThat(RbdAddress.parse(text).path()).hasToString(text);
        assertThatThrownBy(() -> RbdAddress.parse(text + ":wait=0")).hasMessageContaining("key=...")
                .hasMessageNotContaining("secret");
    }
}
