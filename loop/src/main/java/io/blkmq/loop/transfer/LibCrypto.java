package io.blkmq.loop.transfer;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Whether OpenSSL's libcrypto can be called from here, and whether that pays. What refuses is said once, by the first who asks; and
 * nobody who has not asked loads the library. Thread-safe.
 */
final class LibCrypto {
    /** What the JVM's own AES takes, to do more than one block with one instruction. */
    private static final Set<String> WIDE_AES = Set.of("vaes", "avx512f", "avx512bw", "avx512dq", "avx512vl");

    private LibCrypto() {}

    /** On demand. */
    private static final class Once {
        static final @Nullable String REFUSAL = LibCrypto.refusalOf(Evp.class, LibCrypto.class.getModule());
        static final boolean PAYS = REFUSAL == null && !hasWideAes(Path.of("/proc/cpuinfo"));
    }

    /** Why it cannot be used; null if it can. */
    static @Nullable String refusal() {
        return Once.REFUSAL;
    }

    /**
     * Whether it can be used and is the faster one. On processors with VAES and AVX-512 the JVM's AES has over twice the throughput of
     * OpenSSL 3.0's, which more than pays for the passes around it; elsewhere OpenSSL's single pass is over twice as fast.
     */
    static boolean pays() {
        return Once.PAYS;
    }

    /** Why a class that calls a library cannot be initialised; null if it can. The module is the one that has to have native access. */
    static @Nullable String refusalOf(Class<?> caller, Module module) {
        if (!module.isNativeAccessEnabled()) {
            return "this JVM has not been told to allow it native access, by --enable-native-access="
                    + (module.isNamed() ? module.getName() : "ALL-UNNAMED");
        }
        try {
            MethodHandles.lookup().ensureInitialized(caller);
            return null;
        } catch (IllegalAccessException | LinkageError e) {
            Throwable cause = e;
            while (cause instanceof LinkageError && cause.getCause() != null) {
                cause = cause.getCause();
            }
            return switch (cause) {
                case IllegalArgumentException _ -> "there is no " + Evp.LIBRARY;
                case NoSuchElementException missing -> Evp.LIBRARY + " lacks a function: " + missing.getMessage();
                case IllegalStateException wrong -> Evp.LIBRARY + ": " + wrong.getMessage();
                default -> Evp.LIBRARY + " cannot be called from here: " + cause;
            };
        }
    }

    /** Whether the processors can do several blocks of AES with one instruction, by the kernel's list of their flags. */
    static boolean hasWideAes(Path cpuinfo) {
        try (Stream<String> lines = Files.lines(cpuinfo, StandardCharsets.ISO_8859_1)) {
            return lines.filter(line -> line.startsWith("flags")).findFirst()
                    .filter(line -> Set.of(line.split("\\s+")).containsAll(WIDE_AES)).isPresent();
        } catch (IOException e) {
            return false;
        }
    }
}
