package io.blkmq.loop.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.loop.LoopAttributes;
import io.blkmq.loop.LoopParameters;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The attributes of our device against those of the kernel's in sysfs: names, values, and what can be written with which result. */
@NoRescues
class KernelAttributesTest {
    /**
     * Those that say something else: of the file's name; what one discard carries; that memory is bounced if it has to be; what the
     * file's disk is like; where completions run, which is where they are found if nobody says otherwise; which media there were before,
     * and what was read of this one, by others too. Of elevators the one at work is compared.
     */
    private static final Set<String> DIFFERENT = Set.of("loop/backing_file", "queue/discard_max_bytes",
            "queue/discard_max_hw_bytes", "queue/write_zeroes_max_bytes", "queue/dma_alignment", "queue/rotational",
            "queue/rq_affinity", "diskseq", "stat", "queue/scheduler");
    /** The kernel that the table of what is left out was made by. A later one may have attributes that nobody has looked at yet. */
    private static final String RELEASE = "6.18";
    private static final Pattern NAME = Pattern.compile("`([^`]+)`");

    /** Whole numbers, and what is none; the limits of those that have one are among them. */
    private static final List<String> NUMBERS = List.of("0", "1", "2", "3", "4", "5", "16", "64", "127", "128", "129",
            "1279", "1280", "1281", "2047", "2048", "2049", "4095", "4096", "65536", "65537", "4294963200",
            "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615",
            "18446744073709551616", "-1", "-2147483648", "-2147483649", "+8", "08", "8\n", " 8", "8 ", "8x", "0x8", "x",
            "\n", "--8", "99999999999999999999999999999999999999");

    @TempDir
    private Path directory;
    private KernelLoop kernel;
    private OurLoop ours;

    @SuppressWarnings("NullAway.Init")
    KernelAttributesTest() {}

    @BeforeEach
    void make() throws IOException {
        Optional<String> unavailable = KernelLoop.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no loop device of the kernel: " + unavailable.orElseThrow());
        kernel = KernelLoop.add(file("kernel", 1), file("kernel2", 1));
        ours = new OurLoop(LoopParameters.builder().fua(false).build(), file("ours", 1), file("ours2", 1));
    }

    @AfterEach
    @SuppressWarnings("ConstantValue") // they are null where the test was skipped
    void close() {
        if (ours != null) {
            ours.close();
            kernel.close();
        }
    }

    private Path file(String name, int mib) throws IOException {
        return Files.write(directory.resolve(name), new byte[mib << 20]);
    }

    private LoopAttributes attributes() {
        return ours.device().attributes();
    }

    private void configure(long offset, long limit, int flags) {
        assertThat(kernel.configure(0, false, 0, offset, limit, flags)).isZero();
        assertThat(ours.configure(0, false, 0, offset, limit, flags)).isZero();
    }

    @Test
    void theyHaveTheSameNamesAndValuesAsInSysfs() throws Exception {
        long[][] all = {{0, 0, 0, 0}, {4096, 4096, 100_000, LoopNode.DIRECT_IO}, {0, 1543, 0, LoopNode.PARTSCAN},
                {0, 0, 0, LoopNode.READ_ONLY | LoopNode.AUTOCLEAR}};
        for (long[] each : all) {
            assertThat(kernel.configure(0, false, (int) each[0], each[1], each[2], (int) each[3])).isZero();
            assertThat(ours.configure(0, false, (int) each[0], each[1], each[2], (int) each[3])).isZero();
            compare();
            kernel.detach();
            ours.detach();
        }
        configure(0, 0, 0);
        for (String elevator : List.of("mq-deadline", "kyber", "none")) {
            set("queue/scheduler", elevator);
            compare();
        }
    }

    private void compare() throws Exception {
        int compared = 0;
        for (String name : attributes().names()) {
            if (name.equals("queue/io_timeout")) {
                // A wanted difference.
                continue;
            }
            assertThat(kernel.sysfs().resolve(name)).as("has the kernel's name").exists();
            if (!DIFFERENT.contains(name)
                    && !(name.equals("size") && attributes().get("queue/logical_block_size").equals("4096"))) {
                assertThat(attributes().get(name).strip()).as(name).isEqualTo(kernel.attribute(name));
                compared++;
            }
        }
        assertThat(compared).isGreaterThan(45);
        assertThat(atWork(attributes().get("queue/scheduler"))).isEqualTo(atWork(kernel.attribute("queue/scheduler")));
        assertThat(attributes().get("stat").strip().split(" +", -1))
                .hasSameSizeAs(kernel.attribute("stat").strip().split(" +", -1));
    }

    /** What is in brackets, or all if nothing is. */
    private static String atWork(String schedulers) {
        return schedulers.replaceAll(".*\\[(.*)\\].*", "$1");
    }

    @Test
    void whatOursHasNotIsInTheTableOfWhatIsLeftOut() throws Exception {
        configure(0, 0, 0);
        List<Pattern> leftOut = leftOut();
        Set<String> own = new HashSet<>(attributes().names());
        assertThat(own).as("not both there and said to be left out")
                .noneMatch(name -> leftOut.stream().anyMatch(pattern -> pattern.matcher(name).matches()));
        Set<String> unknown = new TreeSet<>();
        try (Stream<Path> all = Files.walk(kernel.sysfs().toRealPath())) {
            for (Path file : all.toList()) {
                String name = kernel.sysfs().toRealPath().relativize(file).toString();
                if (!Files.isDirectory(file) && !own.contains(name)
                        && leftOut.stream().noneMatch(pattern -> pattern.matcher(name).matches())) {
                    unknown.add(name);
                }
            }
        }
        String release = Files.readString(Path.of("/proc/sys/kernel/osrelease")).strip();
        if (release.startsWith(RELEASE + ".")) {
            assertThat(unknown).as("neither ours nor in docs/reference/attributes.md").isEmpty();
        } else if (!unknown.isEmpty()) {
            IO.println(
                    "KernelAttributesTest: Linux " + release + " has attributes that nobody has looked at: " + unknown);
        }
    }

    /** The names in the first column of the table; a star stands for anything. */
    private static List<Pattern> leftOut() throws IOException {
        List<Pattern> names = new ArrayList<>();
        boolean within = false;
        for (String line : Files.readAllLines(Path.of("..", "docs", "reference", "attributes.md"))) {
            if (line.startsWith("#")) {
                within = line.startsWith("### Attributes that are left out");
            } else if (within && line.startsWith("|")) {
                Matcher name = NAME.matcher(line.split("\\|", 3)[1]);
                while (name.find()) {
                    names.add(Pattern.compile(Pattern.quote(name.group(1)).replace("*", "\\E.*\\Q")));
                }
            }
        }
        assertThat(names).hasSizeGreaterThan(10);
        return names;
    }

    // ---- writes

    /** Writes to both, and compares results and values. */
    private void set(String name, String value) throws Exception {
        String what = name + " '" + value + "'";
        assertThat(ours.setAttribute(name, value)).as(what).isEqualTo(kernel.setAttribute(name, value));
        assertThat(atWork(attributes().get(name))).as(what).isEqualTo(atWork(kernel.attribute(name)));
    }

    @Test
    void whatIsWrittenHasTheSameResultAndTheSameErrno() throws Exception {
        configure(0, 0, 0);
        // The first value is one that both take, whatever they began with.
        setAll("queue/nomerges", "0", NUMBERS);
        setAll("queue/iostats", "1", NUMBERS);
        setAll("queue/rq_affinity", "1", NUMBERS);
        setAll("queue/rotational", "1", NUMBERS);
        setAll("queue/max_sectors_kb", "64", NUMBERS);
        // 0 is a wanted difference, and so is what one discard can carry.
        setAll("queue/discard_max_bytes", "65536",
                NUMBERS.stream().filter(value -> !value.equals("0") && !value.equals("4294963200")).toList());
        setAll("queue/io_poll", NUMBERS.getFirst(), NUMBERS);
        setAll("queue/write_cache", "write back", List.of("write through", "write back\n", "none", "write back",
                "writeback", " write back", "Write back", "0", "\n"));
    }

    private void setAll(String name, String first, List<String> values) throws Exception {
        set(name, first);
        for (String value : values) {
            set(name, value);
        }
    }

    @Test
    void elevatorsAndTheirRequestsAndTunablesAreWrittenAlike() throws Exception {
        configure(0, 0, 0);
        for (String elevator : List.of("mq-deadline", "kyber", "none", "kyber\n", " mq-deadline ")) {
            set("queue/scheduler", elevator);
            setAll("queue/scheduler", elevator,
                    List.of("nothing", "[none]", "None", "mq-deadline kyber", "mq_deadline", "\n"));
            setAll("queue/nr_requests", "8", NUMBERS);
            for (String tunable : attributes().names().stream().filter(name -> name.startsWith("queue/iosched/"))
                    .toList()) {
                // The kernel's times are in ticks of its timer, and overflow: what both can have are tenths of a second.
                // What begins with 0 is not decimal to it, and there is no number here of more than 63 bits.
                boolean time = tunable.endsWith("_expire");
                setAll(tunable, "700",
                        NUMBERS.stream()
                                .filter(value -> !value.matches("0[x8]+|9223372036854775808|18446744073709551615"))
                                .filter(value -> !time || value.length() > 10 || !value.matches("\\+?[1-9][0-9]*\\s*"))
                                .toList());
            }
        }
        for (String tunable : List.of("read_lat_nsec", "nothing")) {
            assertThat(ours.setAttribute("queue/iosched/" + tunable, "1")).as("of another elevator")
                    .isEqualTo(kernel.setAttribute("queue/iosched/" + tunable, "1")).isNegative();
        }
    }

    @Test
    void whatCanBeReadOnlyRefusesToBeWritten() throws Exception {
        configure(0, 0, 0);
        int readOnly = 0;
        for (String name : attributes().names()) {
            if (name.equals("queue/io_timeout")) {
                continue;
            }
            boolean writable = Files.getPosixFilePermissions(kernel.sysfs().resolve(name))
                    .contains(java.nio.file.attribute.PosixFilePermission.OWNER_WRITE);
            assertThat(attributes().isWritable(name)).as(name).isEqualTo(writable);
            if (!writable) {
                assertThat(ours.setAttribute(name, "1")).as(name).isEqualTo(kernel.setAttribute(name, "1"))
                        .isNegative();
                readOnly++;
            }
        }
        assertThat(readOnly).isGreaterThan(30);
        assertThat(ours.setAttribute("queue/nothing", "1")).isEqualTo(kernel.setAttribute("queue/nothing", "1"));
    }

    @Test
    void whatIsWrittenHoldsForAsLongAsInTheKernel() throws Exception {
        configure(0, 0, 0);
        String[][] all = {{"queue/scheduler", "mq-deadline"}, {"queue/nr_requests", "99"},
                {"queue/iosched/fifo_batch", "7"}, {"queue/nomerges", "2"}, {"queue/iostats", "0"},
                {"queue/rq_affinity", "2"}, {"queue/write_cache", "write through"}, {"queue/max_sectors_kb", "64"},
                {"queue/discard_max_bytes", "65536"}};
        for (String[] each : all) {
            set(each[0], each[1]);
        }
        holds("another offset", all, kernel.setStatus(4096, 0, 0), ours.setStatus(4096, 0, 0));
        holds("other blocks", all, kernel.setBlock(4096), ours.setBlock(4096));
        holds("direct I/O", all, kernel.setDirect(true), ours.setDirect(true));
        holds("detached", all, kernel.detach(), ours.detach());
        holds("attached again", all, kernel.configure(1, false, 0, 0, 0, 0), ours.configure(1, false, 0, 0, 0, 0));
        set("queue/scheduler", "none");
        for (String name : List.of("queue/nr_requests", "mq/0/nr_tags")) {
            assertThat(attributes().get(name)).as(name + " without an elevator").isEqualTo(kernel.attribute(name));
        }
        set("queue/write_cache", "write back");
        // What is more than is possible comes to be possible with the next block.
        set("queue/max_sectors_kb", "7");
        holds("blocks of 4096", new String[][]{{"queue/max_sectors_kb"}}, kernel.setBlock(4096), ours.setBlock(4096));
        holds("blocks of 512", new String[][]{{"queue/max_sectors_kb"}}, kernel.setBlock(512), ours.setBlock(512));
        kernel.detach();
        ours.detach();
        configure(0, 0, LoopNode.READ_ONLY);
        for (String value : List.of("write back", "write through", "write back")) {
            set("queue/write_cache", value);
        }
        kernel.detach();
        ours.detach();
        configure(0, 0, 0);
        assertThat(attributes().get("queue/write_cache")).isEqualTo(kernel.attribute("queue/write_cache"))
                .isEqualTo("write back");
    }

    private void holds(String after, String[][] all, long kernelResult, long ourResult) throws Exception {
        assertThat(ourResult).as(after).isEqualTo(kernelResult).isZero();
        for (String[] each : all) {
            assertThat(atWork(attributes().get(each[0]))).as(each[0] + ": " + after)
                    .isEqualTo(atWork(kernel.attribute(each[0])));
        }
    }

    @Test
    void eachMediumHasANumberOfItsOwnAndNothingElseChangesIt() throws Exception {
        long[] before = {0, 0};
        configure(0, 0, 0);
        another("attached", true, before);
        assertThat(ours.setBlock(4096)).isEqualTo(kernel.setBlock(4096)).isZero();
        another("other blocks", false, before);
        assertThat(ours.setStatus(4096, 0, LoopNode.PARTSCAN)).isEqualTo(kernel.setStatus(4096, 0, LoopNode.PARTSCAN))
                .isZero();
        another("moved", false, before);
        assertThat(ours.setCapacity()).isEqualTo(kernel.setCapacity()).isZero();
        another("measured", false, before);
        kernel.detach();
        ours.detach();
        another("detached", true, before);
        configure(0, 0, LoopNode.READ_ONLY);
        another("attached again", true, before);
        assertThat(ours.change(1)).isEqualTo(kernel.change(1)).isZero();
        another("another file", true, before);
        try (OurLoop other = new OurLoop(LoopParameters.builder().build(), directory.resolve("ours"))) {
            assertThat(Long.parseLong(other.device().attributes().get("diskseq"))).as("of all devices")
                    .isGreaterThan(before[1]);
        }
    }

    /** Whether the numbers of both are others than before. */
    private void another(String after, boolean expected, long[] before) throws Exception {
        long[] now = {Long.parseLong(kernel.attribute("diskseq")), Long.parseLong(attributes().get("diskseq"))};
        assertThat(new boolean[]{now[0] > before[0], now[1] > before[1]}).as(after + Arrays.toString(now))
                .containsOnly(expected);
        System.arraycopy(now, 0, before, 0, now.length);
    }
}
