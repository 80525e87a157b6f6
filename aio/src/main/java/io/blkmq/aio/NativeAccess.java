package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * Whether the C library can be called from here. A JVM may deny it ({@code --illegal-native-access=deny}), and a library may lack a
 * function; either makes the initialisers of the classes that call it fail, and such a class cannot be used any more. So they are
 * initialised here, once, and nobody goes on to them who has not asked.
 */
final class NativeAccess {

    private static final List<Class<?>> CALLERS = List.of(Libc.class, FileCalls.class, FileFacts.class, MemoryMap.class,
            RingWitness.class, WakeEvent.class, Uring.class, AioContext.class);

    private static final @Nullable String REFUSAL = Platform.CURRENT == Platform.OTHER
            ? Platform.nativeUnavailable().orElseThrow()
            : refusalOf(CALLERS);

    private NativeAccess() {}

    /** Why not, as far as system, architecture, JVM and library go; null if it can. */
    static @Nullable String refusal() {
        return REFUSAL;
    }

    /** Why one of the classes cannot be initialised; null if all can. */
    static @Nullable String refusalOf(List<Class<?>> callers) {
        try {
            for (Class<?> caller : callers) {
                MethodHandles.lookup().ensureInitialized(caller);
            }
            return null;
        } catch (IllegalAccessException | LinkageError e) {
            Throwable cause = e;
            while (cause instanceof LinkageError && cause.getCause() != null) {
                cause = cause.getCause();
            }
            return switch (cause) {
                case IllegalCallerException _ ->
                    "this JVM denies native access, which --enable-native-access=io.blkmq.aio (on the class path: ALL-UNNAMED) allows";
                case NoSuchElementException missing -> "the C library lacks a function: " + missing.getMessage();
                default -> "the C library cannot be called from here: " + cause;
            };
        }
    }
}
