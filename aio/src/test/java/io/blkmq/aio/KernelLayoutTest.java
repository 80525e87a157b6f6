package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Our layouts of the kernel's structs: against the sizes that its interface fixes, and against the machine's own headers. */
class KernelLayoutTest {

    static final List<StructLayout> URING = List.of(Uring.SQE, Uring.CQE, Uring.PARAMS, Uring.SQ_OFFSETS,
            Uring.CQ_OFFSETS, Uring.GETEVENTS_ARG, Uring.TIMESPEC, Uring.PROBE, Uring.PROBE_OP, Uring.RSRC_REGISTER,
            Uring.FILES_UPDATE, Uring.RSRC_UPDATE2, Uring.IOVEC);
    static final List<StructLayout> OTHERS = List.of(AioContext.IOCB, AioContext.EVENT, FileFacts.STATX,
            FileFacts.STATX_TIMESTAMP, FileCalls.FLOCK, FileCalls.STATFS, FileCalls.POLLFD);

    @TempDir
    private Path directory;

    static List<StructLayout> all() {
        return java.util.stream.Stream.concat(URING.stream(), OTHERS.stream()).toList();
    }

    private static String name(MemoryLayout layout) {
        return layout.name().orElseThrow();
    }

    @Test
    void sizesAreThoseOfTheInterface() {
        assertThat(all().stream().collect(Collectors.toMap(KernelLayoutTest::name, StructLayout::byteSize)))
                .isEqualTo(Map.ofEntries(Map.entry("io_uring_sqe", 64L), Map.entry("io_uring_cqe", 16L),
                        Map.entry("io_uring_params", 120L), Map.entry("io_sqring_offsets", 40L),
                        Map.entry("io_cqring_offsets", 40L), Map.entry("io_uring_getevents_arg", 24L),
                        Map.entry("__kernel_timespec", 16L), Map.entry("io_uring_probe", 16L),
                        Map.entry("io_uring_probe_op", 8L), Map.entry("io_uring_rsrc_register", 32L),
                        Map.entry("io_uring_files_update", 16L), Map.entry("io_uring_rsrc_update2", 32L),
                        Map.entry("iovec", 16L), Map.entry("iocb", 64L), Map.entry("io_event", 32L),
                        Map.entry("statx", 256L), Map.entry("statx_timestamp", 16L), Map.entry("flock", 32L),
                        Map.entry("statfs", 120L), Map.entry("pollfd", 8L)));
        // The kernel keeps it to itself, and says in the ring how long it is.
        assertThat(AioContext.RING.byteSize()).isEqualTo(32);
    }

    @ParameterizedTest
    @EnumSource(names = "OTHER", mode = EnumSource.Mode.EXCLUDE)
    void systemCallsHaveTheNumbersOfTheirArchitecture(Platform platform) throws Exception {
        Map<String, Integer> numbers = new LinkedHashMap<>();
        numbers.put("io_setup", platform.ioSetup);
        numbers.put("io_destroy", platform.ioDestroy());
        numbers.put("io_submit", platform.ioSubmit());
        numbers.put("io_getevents", platform.ioGetEvents());
        numbers.put("io_uring_setup", Uring.SYS_SETUP);
        numbers.put("io_uring_enter", Uring.SYS_ENTER);
        numbers.put("io_uring_register", Uring.SYS_REGISTER);
        assertThat(numbers.values()).containsExactlyElementsOf(platform == Platform.LINUX_X86_64
                ? List.of(206, 207, 209, 208, 425, 426, 427)
                : List.of(0, 1, 2, 4, 425, 426, 427));
        // Every architecture that came late has the generic table, and so a header for it is on every machine.
        boolean generic = platform == Platform.LINUX_AARCH64;
        Setup.skipIf(!generic && Platform.CURRENT != platform, "no header of " + platform + " here");
        StringBuilder source = new StringBuilder(
                "#include <stdio.h>\n#include <asm" + (generic ? "-generic" : "") + "/unistd.h>\nint main(void) {\n");
        StringBuilder ours = new StringBuilder();
        numbers.forEach((call, number) -> {
            source.append("printf(\"").append(call).append(" %d\\n\", __NR_").append(call).append(");\n");
            ours.append(call).append(' ').append(number).append('\n');
        });
        if (Platform.CURRENT == platform) {
            source.insert(0, "#define _GNU_SOURCE\n#include <fcntl.h>\n");
            source.append("printf(\"%d %d\\n\", O_DIRECT, O_TMPFILE);\n");
            ours.append(platform.openDirect + " " + platform.openTemporary + "\n");
        }
        Path file = Files.writeString(directory.resolve("numbers.c"), source + "return 0; }\n");
        assertThat(run(file)).isEqualTo(ours.toString());
    }

    @ParameterizedTest
    @MethodSource("all")
    void membersAreWhereTheMachinesHeadersHaveThem(StructLayout layout) throws Exception {
        Setup.skipIf(Platform.CURRENT == Platform.OTHER, "no system calls of ours here");
        String struct = "struct " + name(layout);
        StringBuilder source = new StringBuilder("""
            #define _GNU_SOURCE
            #include <stddef.h>
            #include <stdio.h>
            #include <fcntl.h>
            #include <sys/vfs.h>
            #include <sys/uio.h>
            #include <poll.h>
            #include <linux/aio_abi.h>
            #include <linux/io_uring.h>
            #include <linux/time_types.h>
            #include <linux/stat.h>
            int main(void) {
            """);
        StringBuilder ours = new StringBuilder();
        source.append("printf(\"%zu\\n\", sizeof(").append(struct).append("));\n");
        ours.append(layout.byteSize()).append('\n');
        for (MemoryLayout member : layout.memberLayouts()) {
            if (member instanceof PaddingLayout || member.name().isEmpty()) {
                continue;
            }
            String known = name(member);
            source.append("printf(\"").append(known).append(" %zu\\n\", offsetof(").append(struct).append(", ")
                    .append(known).append("));\n");
            ours.append(known).append(' ').append(Libc.offset(layout, name(member))).append('\n');
        }
        Path file = Files.writeString(directory.resolve("layout.c"), source + "return 0; }\n");
        String theirs = run(file);
        assertThat(theirs).isEqualTo(ours.toString());
    }

    private String run(Path source) throws Exception {
        Path program = directory.resolve("layout");
        Process compiler;
        try {
            compiler = new ProcessBuilder("cc", "-o", program.toString(), source.toString()).redirectErrorStream(true)
                    .start();
        } catch (java.io.IOException e) {
            Setup.skipIf(true, "no C compiler");
            return "";
        }
        String said = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        Setup.skipIf(compiler.waitFor() != 0, "the machine's headers are too old for " + source + ": " + said);
        Process running = new ProcessBuilder(program.toString()).start();
        return new String(running.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
