package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.Instruction;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.classfile.instruction.InvokeInstruction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * No test draws what another run would not draw again: of all that is random only {@link RandomSeed} is used, or a seed that stands in
 * the test. Looks into the compiled classes.
 */
class UnseededRandomnessTest {
    private static final Path CLASSES = Path.of("target/test-classes");

    /** What has no seed, as class, method and descriptor. */
    private static final Pattern UNSEEDED = Pattern.compile("""
        java/util/(Random|SplittableRandom)\\.<init>\\(\\)V\
        |java/util/concurrent/ThreadLocalRandom\\..*\
        |java/security/SecureRandom\\..*\
        |java/lang/(Strict)?Math\\.random\\(\\).*\
        |java/util/UUID\\.randomUUID\\(\\).*\
        |java/util/Collections\\.shuffle\\(Ljava/util/List;\\)V\
        |java/util/random/RandomGenerator\\.(of|getDefault)\\(.*\
        |java/util/random/RandomGenerator\\$.*\\.(of|getDefault)\\(.*\
        |java/util/random/RandomGeneratorFactory\\.create\\(\\).*""");
    /** What differs from run to run, and makes no seed. */
    private static final Pattern CLOCK = Pattern.compile(
            "java/lang/System\\.(nanoTime|currentTimeMillis|identityHashCode)\\(.*|java/lang/ProcessHandle\\.pid.*");
    private static final Pattern SEEDED = Pattern.compile("java/util/(Random|SplittableRandom)\\.<init>\\(J\\)V");
    /** So many instructions lie between a clock and what it is the seed of, at most. */
    private static final int DISTANCE = 4;
    /** Those who name the properties of seeds. */
    private static final Pattern NAMES_PROPERTIES = Pattern
            .compile("io/blkmq/testing/(?!UnseededRandomnessTest\\$Sample).*|io/blkmq/sim/RandomProgramsTest");

    /** What the test has to find. */
    static final class Sample {
        private Sample() {}

        static List<Object> everyKind() {
            List<Object> drawn = new ArrayList<>();
            drawn.add(new Random());
            drawn.add(new SplittableRandom());
            drawn.add(ThreadLocalRandom.current().nextInt());
            drawn.add(Math.random());
            drawn.add(UUID.randomUUID());
            drawn.add(new Random(System.nanoTime()));
            drawn.add(new SplittableRandom(System.currentTimeMillis() + 1));
            Collections.shuffle(drawn);
            drawn.add(Long.getLong("blkmq.seed"));
            return drawn;
        }

        static List<Object> seeded() {
            List<Object> drawn = new ArrayList<>();
            drawn.add(new Random(1));
            drawn.add(new SplittableRandom(RandomSeed.next(Sample.class)));
            Collections.shuffle(drawn, new Random(2));
            drawn.add(System.nanoTime());
            return drawn;
        }
    }

    private static String name(MemberRefEntry member) {
        return member.owner().asInternalName() + "." + member.name().stringValue() + member.type().stringValue();
    }

    private static List<String> unseededOf(ClassModel model) {
        List<String> found = new ArrayList<>();
        String name = model.thisClass().asInternalName();
        for (PoolEntry entry : model.constantPool()) {
            if (entry instanceof MemberRefEntry member && UNSEEDED.matcher(name(member)).matches()) {
                found.add(name + " uses " + name(member));
            }
            if (entry instanceof Utf8Entry text && text.stringValue().contains(RandomSeed.GIVEN)
                    && !NAMES_PROPERTIES.matcher(name).matches()) {
                found.add(name + " names the property '" + text.stringValue() + "', which RandomSeed does for all");
            }
        }
        model.methods().forEach(method -> method.code().ifPresent(code -> findClocks(name, code, found)));
        return found;
    }

    private static void findClocks(String name, CodeModel code, List<String> found) {
        int since = DISTANCE;
        for (CodeElement element : code) {
            if (element instanceof InvokeInstruction invoke) {
                String called = invoke.owner().asInternalName() + "." + invoke.name().stringValue()
                        + invoke.type().stringValue();
                if (CLOCK.matcher(called).matches()) {
                    since = 0;
                } else if (since < DISTANCE && SEEDED.matcher(called).matches()) {
                    found.add(name + " makes a seed of a clock");
                }
            }
            since += element instanceof Instruction ? 1 : 0;
        }
    }

    private static List<Path> classes() throws IOException {
        try (Stream<Path> files = Files.walk(CLASSES)) {
            return files.filter(file -> file.toString().endsWith(".class")).toList();
        }
    }

    @Test
    void noTestIsRandomWithoutASeed() throws IOException {
        List<String> found = new ArrayList<>();
        List<Path> files = classes();
        for (Path file : files) {
            if (!file.getFileName().toString().equals("UnseededRandomnessTest$Sample.class")) {
                found.addAll(unseededOf(ClassFile.of().parse(file)));
            }
        }
        assertThat(files).hasSizeGreaterThan(3);
        assertThat(found).as("use RandomSeed").isEmpty();
    }

    @Test
    void everyKindIsFoundAndNothingElse() throws IOException {
        Path sample = classes().stream().filter(file -> file.toString().endsWith("UnseededRandomnessTest$Sample.class"))
                .findFirst().orElseThrow();
        assertThat(unseededOf(ClassFile.of().parse(sample))).hasSize(10)
                .anyMatch(line -> line.contains("SplittableRandom.<init>()V"))
                .anyMatch(line -> line.contains("ThreadLocalRandom"))
                .anyMatch(line -> line.contains("names the property"))
                .anyMatch(line -> line.contains("shuffle(Ljava/util/List;)V"))
                .filteredOn(line -> line.endsWith("of a clock")).hasSize(2);
        assertThat(Sample.everyKind()).hasSize(8);
        assertThat(Sample.seeded()).hasSize(3);
    }
}
