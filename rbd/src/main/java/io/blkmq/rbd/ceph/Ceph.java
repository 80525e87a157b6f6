package io.blkmq.rbd.ceph;

import java.lang.invoke.MethodHandles;
import org.jspecify.annotations.Nullable;

/** Whether Ceph's libraries can be called from here: asked once, and before anything else of this package is touched. */
public final class Ceph {
    /** The oldest librbd that has all that is used here; it came with Ceph 16. */
    private static final int MAJOR = 1;
    private static final int MINOR = 16;

    private static final @Nullable String REFUSAL = refusalNow();

    private Ceph() {}

    /** Why not, as far as JVM, libraries and versions go; null if it can. */
    public static @Nullable String refusal() {
        return REFUSAL;
    }

    private static @Nullable String refusalNow() {
        try {
            for (Class<?> caller : new Class<?>[]{Rados.class, Rbd.class, Kernel.class}) {
                MethodHandles.lookup().ensureInitialized(caller);
            }
        } catch (IllegalAccessException | LinkageError e) {
            Throwable cause = e;
            while (cause instanceof LinkageError && cause.getCause() != null
                    && !(cause instanceof UnsatisfiedLinkError)) {
                cause = cause.getCause();
            }
            return switch (cause) {
                case IllegalCallerException _ ->
                    "this JVM denies native access, which --enable-native-access=io.blkmq.rbd,io.blkmq.aio (on the class path: ALL-UNNAMED) allows";
                case UnsatisfiedLinkError missing -> missing.getMessage();
                default -> "the libraries of Ceph cannot be called from here: " + cause;
            };
        }
        Rbd.Version version = Rbd.version();
        return version.major() != MAJOR || version.minor() < MINOR
                ? "librbd " + version + " is none that is known: " + MAJOR + "." + MINOR
                        + " or later is needed, which came with Ceph 16"
                : null;
    }
}
