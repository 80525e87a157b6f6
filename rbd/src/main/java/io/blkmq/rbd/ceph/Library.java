package io.blkmq.rbd.ceph;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A library of Ceph's, found by the system under the name of its ABI, or where a system property says it is. It is never unloaded: its threads
 * may be there until the process ends.
 */
@SuppressWarnings("restricted")
final class Library {
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    /** For a call that takes no longer than some nanoseconds. */
    static final Linker.Option[] BRIEF = {Linker.Option.critical(false)};

    private final String name;
    private final SymbolLookup symbols;

    /**
     * Loads a library.
     *
     * @param name as the dynamic linker knows it
     * @param property the system property that may hold another name, or a path
     * @throws UnsatisfiedLinkError if it cannot be loaded, naming it
     */
    Library(String name, String property) {
        this.name = System.getProperty(property, name);
        try {
            symbols = SymbolLookup.libraryLookup(this.name, Arena.global());
        } catch (IllegalArgumentException e) {
            throw missing("the library " + this.name + " cannot be loaded (package "
                    + name.substring(0, name.indexOf('.')) + " of Ceph; -D" + property + "= names another)", e);
        }
    }

    private static UnsatisfiedLinkError missing(String why, Throwable cause) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError(why);
        error.initCause(cause);
        return error;
    }

    /** A handle for a function, or an error that names it. */
    MethodHandle function(String symbol, FunctionDescriptor descriptor, Linker.Option... options) {
        return Linker.nativeLinker().downcallHandle(
                symbols.find(symbol).orElseThrow(
                        () -> new UnsatisfiedLinkError("the library " + name + " has no function " + symbol)),
                descriptor, options);
    }

    /** A downcall handle declares Throwable and throws nothing of its own. */
    static AssertionError unexpected(Throwable t) {
        return new AssertionError("a call of a library of Ceph threw", t);
    }
}
