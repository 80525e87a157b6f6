package io.blkmq.aio;

import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What machine this is, as far as system calls depend on it: Linux on x86-64, Linux on aarch64, or neither. */
enum Platform {

    /** Numbers of the 64-bit x86 call table. */
    LINUX_X86_64(206, 0x4000, 0x410000),
    /** Numbers of the generic call table. */
    LINUX_AARCH64(0, 0x10000, 0x404000),
    /** No system calls of ours here. */
    OTHER(-1, 0, 0);

    private static final String SYSTEM = System.getProperty("os.name", "");
    private static final String ARCHITECTURE = System.getProperty("os.arch", "");

    /** This machine. */
    static final Platform CURRENT = current(SYSTEM, ARCHITECTURE);

    /** Number of {@code io_setup}. */
    final int ioSetup;
    /** The flag of {@code open} for direct I/O. */
    final int openDirect;
    /** The flags of {@code open} that make a file without a name in a directory (O_TMPFILE). */
    final int openTemporary;

    Platform(int ioSetup, int openDirect, int openTemporary) {
        this.ioSetup = ioSetup;
        this.openDirect = openDirect;
        this.openTemporary = openTemporary;
    }

    /** Number of {@code io_destroy}. */
    int ioDestroy() {
        return ioSetup + 1;
    }

    /**
     * Number of {@code io_getevents}: on x86-64 before {@code io_submit}, in the generic table after {@code io_cancel}.
     */
    int ioGetEvents() {
        return this == LINUX_X86_64 ? 208 : 4;
    }

    /** Number of {@code io_submit}. */
    int ioSubmit() {
        return this == LINUX_X86_64 ? 209 : 2;
    }

    /** Why native engines cannot be used, as far as system and architecture go. */
    static Optional<String> nativeUnavailable() {
        return Optional.ofNullable(nativeUnavailable(SYSTEM, ARCHITECTURE));
    }

    static @Nullable String nativeUnavailable(String system, String architecture) {
        if (current(system, architecture) != OTHER) {
            return null;
        }
        return isLinux(system)
                ? "architecture " + architecture + " is not supported (x86-64 and aarch64 are)"
                : "it needs Linux, and this is " + system;
    }

    static Platform current(String system, String architecture) {
        if (!isLinux(system)) {
            return OTHER;
        }
        return switch (architecture) {
            case "amd64", "x86_64" -> LINUX_X86_64;
            case "aarch64" -> LINUX_AARCH64;
            default -> OTHER;
        };
    }

    private static boolean isLinux(String system) {
        return system.toLowerCase(Locale.ROOT).equals("linux");
    }
}
