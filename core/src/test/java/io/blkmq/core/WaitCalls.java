package io.blkmq.core;

import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** Finds in compiled classes those that make a thread wait by themselves, and not through {@link io.blkmq.core.driver.Parking}. */
public final class WaitCalls {
    private static final Map<String, Set<String>> WAITS = Map.of("io/blkmq/runtime/IoRuntime",
            Set.of("park", "parkNanos", "spinWait", "idle", "join"), "java/util/concurrent/locks/LockSupport",
            Set.of("park", "parkNanos", "parkUntil"), "java/lang/Thread",
            Set.of("sleep", "join", "yield", "onSpinWait"), "java/util/concurrent/locks/Condition",
            Set.of("await", "awaitNanos"), "java/util/concurrent/CountDownLatch", Set.of("await"), "java/lang/Object",
            Set.of("wait"), "java/util/concurrent/Future", Set.of("get"), "java/util/concurrent/CompletableFuture",
            Set.of("get", "join"));

    private WaitCalls() {}

    /**
     * The classes that wait.
     *
     * @param oneOfThem a class; looked at are all that lie where it does
     * @return their names, without those of nested classes
     */
    public static Set<String> outsideOfParking(Class<?> oneOfThem) {
        try (Stream<Path> files = Files
                .walk(Path.of(oneOfThem.getProtectionDomain().getCodeSource().getLocation().toURI()))) {
            Set<String> found = new TreeSet<>();
            List<Path> classes = files.filter(file -> file.toString().endsWith(".class")).toList();
            if (classes.isEmpty()) {
                throw new AssertionError("no classes beside " + oneOfThem);
            }
            for (Path file : classes) {
                ClassModel model = ClassFile.of().parse(file);
                for (PoolEntry entry : model.constantPool()) {
                    if (entry instanceof MemberRefEntry member
                            && WAITS.getOrDefault(member.owner().asInternalName(), Set.of())
                                    .contains(member.name().stringValue())) {
                        found.add(model.thisClass().asInternalName().replace('/', '.').replaceFirst("\\$.*", ""));
                    }
                }
            }
            return found;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }
}
