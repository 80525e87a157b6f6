package io.blkmq.tools.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.tools.job.UsageException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackingTest {
    @Test
    void aPathHasOptionsBehindCommas() throws UsageException {
        Backing backing = Backing.parse("a/b.img,hw=2,depth=64,reaper,buffered,ro,offset=4k,sizelimit=1m,workers=3");
        assertThat(backing.kind()).isEqualTo(Backing.Kind.FILE);
        assertThat(backing.path()).isEqualTo(Path.of("a/b.img"));
        assertThat(backing.hardwareQueues()).isEqualTo(2);
        assertThat(backing.depth()).isEqualTo(64);
        assertThat(backing.completion()).isEqualTo(Backing.Completion.REAPER);
        assertThat(backing.buffered()).isTrue();
        assertThat(backing.readOnly()).isTrue();
        assertThat(backing.offsetBytes()).isEqualTo(4096);
        assertThat(backing.sizeLimitBytes()).isEqualTo(1 << 20);
        assertThat(backing.workers()).isEqualTo(3);
    }

    @Test
    void aCommaBehindABackslashIsNoBeginOfAnOption() throws UsageException {
        Backing file = Backing.parse("a\\,b.img,hw=2");
        assertThat(file.path()).isEqualTo(Path.of("a,b.img"));
        assertThat(file.hardwareQueues()).isEqualTo(2);
        Backing image = Backing.parse("rbd:rbd/disk:mon_host=10.0.0.1\\,10.0.0.2,depth=8");
        assertThat(image.path().toString()).isEqualTo("rbd:rbd/disk:mon_host=10.0.0.1,10.0.0.2");
        assertThat(image.depth()).isEqualTo(8);
    }

    @Test
    void memoryAndNothingHaveASize() throws UsageException {
        Backing memory = Backing.parse("mem:64m,poll");
        assertThat(memory.kind()).isEqualTo(Backing.Kind.MEMORY);
        assertThat(memory.sizeBytes()).isEqualTo(64 << 20);
        assertThat(memory.completion()).isEqualTo(Backing.Completion.POLL);
        assertThat(Backing.parse("null:32G").sizeBytes()).isEqualTo(32L << 30);
        assertThat(Backing.parse("null:32G").kind()).isEqualTo(Backing.Kind.NOTHING);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "''|a path, mem:SIZE, null:SIZE, the URI of an export or rbd:POOL/IMAGE is needed",
            "rbd:pool|pool and image are needed", "rbd:pool/image,buffered|option buffered is for files",
            "rbd:pool/image:wait=0|wait 0 is not in 1 to 3600",
            "rbd:pool/image,fast|option fast: is not known; possible are hw=N", "mem:|is needed",
            "mem:100|a positive multiple of 512 bytes", "null:0|a positive multiple of 512", "null:-1|is negative",
            "null:1x|unknown unit",
            "a.img,nosuch|option nosuch: is not known; possible are hw=N, depth=N, poll, reaper", "a.img,|is not known",
            "a.img,hw=0|option hw=0: 1 to", "a.img,hw|needs a value", "a.img,depth=|needs a value",
            "a.img,depth=99999|1 to 10240 are possible", "a.img,poll=1|takes no value",
            "a.img,poll,reaper|exclude each other", "a.img,offset=-1|is negative", "a.img,workers|needs a value",
            "a.img,workers=0|option workers=0: 1 to 1024 are possible", "a.img,workers=1025|1 to 1024 are possible",
            "mem:1m,workers=2|option workers is for files", "mem:1m,buffered|option buffered is for files",
            "null:1m,offset=512|option offset is for files"})
    void whatMakesNoSenseIsRefusedByName(String text, String message) {
        assertThatExceptionOfType(UsageException.class).isThrownBy(() -> Backing.parse(text))
                .withMessageStartingWith("--attach: " + text).withMessageContaining(message);
    }
}
