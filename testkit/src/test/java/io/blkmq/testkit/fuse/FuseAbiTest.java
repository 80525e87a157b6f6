package io.blkmq.testkit.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our layouts of the protocol's structures, against the machine's own header. */
class FuseAbiTest {
    @TempDir
    private Path directory;

    @Test
    void structuresAreMultiplesOfEightBytes() {
        assertThat(FuseAbi.STRUCTURES).allSatisfy(struct -> assertThat(struct.byteSize() % 8).isZero())
                .doesNotHaveDuplicates();
        assertThat(FuseAbi.IN_HEADER.byteSize()).isEqualTo(40);
        assertThat(FuseAbi.OUT_HEADER.byteSize()).isEqualTo(16);
        assertThat(FuseAbi.ENTRY_OUT.byteSize()).isEqualTo(128);
        assertThat(FuseAbi.INIT_OUT.byteSize()).isEqualTo(64);
    }

    @Test
    void membersAreWhereTheMachinesHeaderHasThem() throws Exception {
        StringBuilder source = new StringBuilder("""
            #include <stddef.h>
            #include <stdio.h>
            #include <linux/fuse.h>
            #include <sys/socket.h>
            #include <sys/uio.h>
            int main(void) {
            """);
        StringBuilder ours = new StringBuilder();
        List<StructLayout> layouts = new ArrayList<>(FuseAbi.STRUCTURES);
        if (FuseDoor.unavailable().isEmpty()) {
            layouts.addAll(List.of(Fusermount.IOVEC, Fusermount.MSGHDR, Fusermount.CMSGHDR));
        }
        for (StructLayout layout : layouts) {
            String struct = layout.name().orElseThrow();
            source.append("printf(\"" + struct + " %zu\\n\", sizeof(struct " + struct + "));\n");
            ours.append(struct + " " + layout.byteSize() + "\n");
            for (MemoryLayout member : layout.memberLayouts()) {
                if (!(member instanceof PaddingLayout)) {
                    String name = member.name().orElseThrow();
                    source.append("printf(\" " + name + " %zu\\n\", offsetof(struct " + struct + ", " + name + "));\n");
                    ours.append(" " + name + " " + FuseAbi.offset(layout, name) + "\n");
                }
            }
        }
        assertThat(run(source + "return 0; }\n")).isEqualTo(ours.toString());
    }

    private String run(String source) throws Exception {
        Path file = Files.writeString(directory.resolve("layout.c"), source);
        Path program = directory.resolve("layout");
        Process compiler;
        try {
            compiler = new ProcessBuilder("cc", "-o", program.toString(), file.toString()).redirectErrorStream(true)
                    .start();
        } catch (IOException _) {
            OpenedDoor.skipIf(true, "no C compiler");
            return "";
        }
        String said = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        OpenedDoor.skipIf(compiler.waitFor() != 0, "the machine's headers are too old: " + said);
        Process running = new ProcessBuilder(program.toString()).start();
        return new String(running.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
