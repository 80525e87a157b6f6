package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Finding and opening engines. Alone, because it counts the descriptors of the process. */
@Isolated
class AioEnginesTest {

    @Test
    void fiveEnginesAreFound() {
        assertThat(AioEngines.providers()).extracting(AioEngineProvider::name).containsExactlyInAnyOrder("io_uring",
                "libaio", "channel", "memory", "null");
    }

    @Test
    void classPathAndModulePathProvideTheSame() throws IOException {
        try (var listed = AioEngines.class
                .getResourceAsStream("/META-INF/services/" + AioEngineProvider.class.getName())) {
            assertThat(listed).isNotNull();
            String names = listed == null
                    ? ""
                    : new String(listed.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            assertThat(names.lines()).containsExactlyInAnyOrderElementsOf(
                    AioEngines.providers().stream().map(provider -> provider.getClass().getName()).toList());
        }
    }

    @Test
    void unknownEngineIsNamedWithThoseThereAre() {
        assertThatThrownBy(() -> AioEngines.find("fancy")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fancy").hasMessageContaining("io_uring").hasMessageContaining("channel");
    }

    @Test
    void bestIsOneThatWorks() {
        assertThat(AioEngines.find(AioEngines.best()).unavailable()).isEmpty();
        assertThat(AioEngines.best()).isNotEqualTo("null");
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory", "null"})
    void openingAndClosingLeavesNoDescriptor(String engine) throws IOException {
        Setup.skipIf(AioEngines.find(engine).unavailable().isPresent(), engine + " is not available");
        Path descriptors = Path.of("/proc/self/fd");
        Setup.skipIf(!Files.isDirectory(descriptors), "no /proc");
        long before = count(descriptors);
        for (int i = 0; i < 20; i++) {
            for (CompletionMode mode : CompletionMode.values()) {
                AioEngines.open(engine, AioEngineConfig.builder().completionMode(mode).build()).close();
            }
        }
        assertThat(count(descriptors)).isLessThan(before + 10);
    }

    private static long count(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            return files.count();
        }
    }

    @Test
    void threadsComeFromTheFactory() throws IOException {
        var names = java.util.Collections.synchronizedList(new java.util.ArrayList<String>());
        AioEngineConfig config = AioEngineConfig.builder().threadFactory(body -> {
            names.add("asked");
            return Thread.ofPlatform().daemon().name("mine").unstarted(body);
        }).build();
        String best = AioEngines.best();
        Setup.skipIf(best.equals("channel"), "no engine with a reaper here");
        AioEngines.open(best, config).close();
        assertThat(names).hasSize(1);
    }

    @Test
    void settingsAreCheckedWhenTheyAreMade() {
        assertThatThrownBy(() -> AioEngineConfig.builder().depth(0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0");
        assertThatThrownBy(() -> AioEngineConfig.builder().depth(1 << 20)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("16384");
        assertThatThrownBy(() -> AioEngineConfig.builder().workers(0)).isInstanceOf(IllegalArgumentException.class);
        assertThat(AioEngineConfig.defaults().depth()).isEqualTo(128);
        assertThat(AioEngineConfig.defaults().completionMode()).isEqualTo(CompletionMode.REAPER);
        assertThat(AioEngineConfig.defaults().workers()).isEqualTo(16);
    }

    @Test
    void refusalSaysWhy() {
        assertThat(UringRefusal.reason(Errno.EPERM, 2)).contains("kernel.io_uring_disabled=2", "EPERM");
        assertThat(UringRefusal.reason(Errno.EPERM, 1)).contains("io_uring_group");
        assertThat(UringRefusal.reason(Errno.EPERM, 0)).contains("seccomp");
        assertThat(UringRefusal.reason(Errno.ENOSYS, -1)).contains("no io_uring", "ENOSYS");
        assertThat(UringRefusal.reason(Errno.EMFILE, 0)).contains("open files");
        assertThat(AioContext.refusal(Errno.EAGAIN, 256)).contains("fs.aio-max-nr", "256");
        assertThat(AioContext.refusal(Errno.ENOSYS, 1)).contains("ENOSYS");
        for (int lacking : new int[]{Errno.ENOMEM, Errno.EAGAIN}) {
            assertThat(AioContext.refused(lacking, 256)).as("not here, or not now")
                    .isNotInstanceOf(AioUnavailableException.class).hasMessageContaining(Errno.name(lacking));
            assertThat(UringRefusal.exception(lacking, "no mapping")).isNotInstanceOf(AioUnavailableException.class)
                    .hasMessageContaining("no mapping");
            assertThat(UringRefusal.exception(lacking)).isNotInstanceOf(AioUnavailableException.class)
                    .hasMessageContaining(Errno.name(lacking));
        }
        assertThat(AioContext.refused(Errno.EPERM, 256)).isInstanceOf(AioUnavailableException.class);
        assertThat(UringRefusal.exception(Errno.EPERM)).isInstanceOf(AioUnavailableException.class);
        assertThat(new AioUnavailableException("io_uring", "because")).hasMessageContaining("io_uring")
                .hasMessageContaining("because");
    }

    /** Needs what this C library does not have. */
    private static final class OfAnotherLibrary {
        static {
            missing();
        }

        private static void missing() {
            throw new NoSuchElementException("Symbol not found: statx5");
        }
    }

    @Test
    void functionThatTheLibraryLacksIsNamed() {
        assertThat(NativeAccess.refusalOf(List.of(Libc.class, OfAnotherLibrary.class))).contains("lacks a function",
                "statx5");
        // The second time the class is not tried again.
        assertThat(NativeAccess.refusalOf(List.of(OfAnotherLibrary.class))).contains("cannot be called");
    }

    @Test
    void providerThatCannotBeMadeCostsNobodyTheOthers() {
        List<Supplier<AioEngineProvider>> made = List.of(NullEngineProvider::new, () -> {
            throw new ServiceConfigurationError("a provider that fails, for a test");
        }, ChannelEngineProvider::new);
        var there = made.stream().map(supplier -> (ServiceLoader.Provider<AioEngineProvider>) new Made(supplier));
        assertThat(AioEngines.found(there.iterator())).extracting(AioEngineProvider::name).containsExactly("null",
                "channel");
    }

    private record Made(Supplier<AioEngineProvider> supplier) implements ServiceLoader.Provider<AioEngineProvider> {
        @Override
        public Class<AioEngineProvider> type() {
            return AioEngineProvider.class;
        }

        @Override
        public AioEngineProvider get() {
            return supplier.get();
        }
    }

    @ParameterizedTest
    @CsvSource({"io_uring, SUBMITTERS", "io_uring, REAPER", "libaio, SUBMITTERS"})
    void reaperThatWaitsInTheKernelNeedsAPlatformThread(String engine, RingEntry entry) throws IOException {
        Setup.skipIf(AioEngines.find(engine).unavailable().isPresent(), engine + " is not available");
        Path descriptors = Path.of("/proc/self/fd");
        long before = count(descriptors);
        for (int i = 0; i < 20; i++) {
            assertThatThrownBy(() -> AioEngines.open(engine,
                    AioEngineConfig.builder().ringEntry(entry).threadFactory(Thread.ofVirtual().factory()).build())
                    .close()).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("platform thread")
                    .hasMessageContaining(engine);
        }
        assertThat(count(descriptors)).isLessThan(before + 10);
    }

    @Test
    void platformsAreTold() {
        assertThat(Platform.current("Linux", "amd64")).isEqualTo(Platform.LINUX_X86_64);
        assertThat(Platform.current("Linux", "aarch64")).isEqualTo(Platform.LINUX_AARCH64);
        assertThat(Platform.current("Linux", "riscv64")).isEqualTo(Platform.OTHER);
        assertThat(Platform.current("Mac OS X", "aarch64")).isEqualTo(Platform.OTHER);
        assertThat(Platform.nativeUnavailable("Linux", "riscv64")).contains("riscv64");
        assertThat(Platform.nativeUnavailable("Windows 11", "amd64")).contains("Windows 11", "Linux");
        assertThat(Platform.nativeUnavailable("Linux", "amd64")).isNull();
        assertThat(Platform.LINUX_X86_64.openDirect).isEqualTo(0x4000);
        assertThat(Platform.LINUX_AARCH64.openDirect).isEqualTo(0x10000);
        assertThat(Platform.LINUX_X86_64.openTemporary).isEqualTo(0x410000);
        assertThat(Platform.LINUX_AARCH64.openTemporary).isEqualTo(0x404000);
    }

    @Test
    void errnoHasItsName() {
        assertThat(Errno.name(-5)).isEqualTo("EIO");
        assertThat(Errno.name(95)).isEqualTo("EOPNOTSUPP");
        assertThat(Errno.name(4711)).isEqualTo("errno 4711");
    }
}
