package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every test class of the block layer and of the loop driver says {@link NoRescues}. Looks into the compiled classes. */
class NoRescuesTest {
    private static final Path CLASSES = Path.of("target/test-classes");

    private static boolean isOfIo(Path file) {
        String path = CLASSES.relativize(file).toString();
        return path.matches("io/blkmq/(core|loop)/.*Test\\.class") && !path.contains("$");
    }

    private static boolean saysSo(ClassModel model) {
        return model.findAttribute(Attributes.runtimeVisibleAnnotations()).stream()
                .flatMap(found -> found.annotations().stream())
                .anyMatch(one -> one.className().stringValue().equals(NoRescues.class.descriptorString()));
    }

    @Test
    void everyTestClassSaysThatItsTestsEndWithoutARescue() throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(CLASSES)) {
            files = all.filter(NoRescuesTest::isOfIo).toList();
        }
        for (Path file : files) {
            assertThat(saysSo(ClassFile.of().parse(file))).as("@NoRescues at " + file).isTrue();
        }
    }
}
