package io.blkmq.loop.transfer;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * The functions of OpenSSL's libcrypto that XTS-AES takes, by the names of its manual (EVP_EncryptInit(3)). Its initialiser fails where the
 * library cannot be used, so {@link LibCrypto} is asked first. Any thread may call it; a context is one thread's at a time.
 *
 * <p>Memory is named by addresses, which nobody checks here. A call takes a data unit and no longer, some 100 ns, so it stays in the Java
 * state of its thread ({@link Linker.Option#critical}), and costs about as much as a call in C.
 */
@SuppressWarnings("restricted")
final class Evp {
    /** The name of the library, of OpenSSL 3. */
    static final String LIBRARY = "libcrypto.so.3";

    /** Encrypts, decrypts, or goes on as before. */
    static final int ENCRYPT = 1;
    static final int DECRYPT = 0;
    private static final int UNCHANGED = -1;

    /** XTS takes the number of a data unit as an initial vector of so many bytes. */
    static final int NUMBER_BYTES = 16;

    /** Leaves the end of the process alone: threads may still be in here then. */
    private static final long OPENSSL_INIT_NO_ATEXIT = 0x80000;
    private static final int ERROR_TEXT_BYTES = 256;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final Linker.Option[] BRIEF = {Linker.Option.critical(false)};
    private static final Linker.Option[] ANY = {};

    private static final SymbolLookup SYMBOLS = library(LIBRARY);
    private static final MethodHandle CONTEXT_NEW = function("EVP_CIPHER_CTX_new", FunctionDescriptor.of(LONG), ANY);
    private static final MethodHandle CONTEXT_FREE = function("EVP_CIPHER_CTX_free", FunctionDescriptor.ofVoid(LONG),
            ANY);
    private static final MethodHandle INIT = function("EVP_CipherInit_ex2",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, INT, LONG), ANY);
    private static final MethodHandle NUMBER = function("EVP_CipherInit_ex2",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, INT, LONG), BRIEF);
    private static final MethodHandle UPDATE = function("EVP_CipherUpdate",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, INT), BRIEF);
    private static final MethodHandle GET_ERROR = function("ERR_get_error", FunctionDescriptor.of(LONG), ANY);
    private static final MethodHandle ERROR_STRING = function("ERR_error_string_n",
            FunctionDescriptor.ofVoid(LONG, LONG, LONG), ANY);
    private static final MethodHandle WORKING_NUMBER = function("EVP_CIPHER_CTX_iv_noconst",
            FunctionDescriptor.of(LONG, LONG), ANY);

    private static final long AES_128;
    private static final long AES_256;
    private static final boolean NUMBER_IN_PLACE;

    static {
        try (Arena arena = Arena.ofConfined()) {
            int begun = (int) function("OPENSSL_init_crypto", FunctionDescriptor.of(INT, LONG, LONG), ANY)
                    .invokeExact(OPENSSL_INIT_NO_ATEXIT, 0L);
            MethodHandle fetch = function("EVP_CIPHER_fetch", FunctionDescriptor.of(LONG, LONG, LONG, LONG), ANY);
            AES_128 = (long) fetch.invokeExact(0L, arena.allocateFrom("AES-128-XTS").address(), 0L);
            AES_256 = (long) fetch.invokeExact(0L, arena.allocateFrom("AES-256-XTS").address(), 0L);
            if (begun != 1 || AES_128 == 0 || AES_256 == 0) {
                throw new IllegalStateException("it has no XTS-AES: " + error());
            }
            if (!isRight(arena, false)) {
                throw new IllegalStateException("it does not make what IEEE Std 1619 says");
            }
            NUMBER_IN_PLACE = isRight(arena, true);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private Evp() {}

    /** Finds a library for the rest of the process's life. */
    static SymbolLookup library(String name) {
        return SymbolLookup.libraryLookup(name, Arena.global());
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor, Linker.Option[] options) {
        return Linker.nativeLinker().downcallHandle(SYMBOLS.findOrThrow(name), descriptor, options);
    }

    /** Whether vector 2 of the standard comes out, with the number of the unit told by a call, or {@link #numberOf written}. */
    private static boolean isRight(Arena arena, boolean inPlace) {
        MemorySegment memory = arena.allocate(64 + NUMBER_BYTES + Integer.BYTES + 64);
        MemorySegment plain = memory.asSlice(0, 32).fill((byte) 0x44);
        MemorySegment key = memory.asSlice(32, 32);
        MemorySegment _ = key.asSlice(0, 16).fill((byte) 0x11);
        MemorySegment _ = key.asSlice(16, 16).fill((byte) 0x22);
        MemorySegment number = memory.asSlice(64, NUMBER_BYTES);
        MemorySegment length = memory.asSlice(80, Integer.BYTES);
        MemorySegment made = arena.allocate(32);
        long context = newContext(key.address(), 32, ENCRYPT);
        try {
            MemorySegment written = inPlace ? numberOf(context) : number;
            if (written.equals(MemorySegment.NULL)) {
                return false;
            }
            written.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 0x3333333333L);
            return (inPlace || setNumber(context, number.address()))
                    && update(context, made.address(), length.address(), plain.address(), 32) == 1
                    && HexFormat.of().formatHex(made.toArray(ValueLayout.JAVA_BYTE))
                            .equals("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0");
        } finally {
            free(context);
        }
    }

    /**
     * Makes a context, for one direction, which has the number 0.
     *
     * @param key address of both keys of AES, the one for data first; not needed afterwards
     * @param keyBytes 32 or 64, both together
     * @param direction {@link #ENCRYPT} or {@link #DECRYPT}
     * @throws IllegalStateException with OpenSSL's reason if it refuses
     */
    static long newContext(long key, int keyBytes, int direction) {
        try (Arena arena = Arena.ofConfined()) {
            long context = (long) CONTEXT_NEW.invokeExact();
            if (context == 0) {
                throw new IllegalStateException("OpenSSL made no context: " + error());
            }
            int begun = (int) INIT.invokeExact(context, keyBytes == 32 ? AES_128 : AES_256, key,
                    arena.allocate(NUMBER_BYTES).address(), direction, 0L);
            if (begun != 1) {
                String reason = error();
                free(context);
                throw new IllegalStateException("OpenSSL refused a key of " + keyBytes + " bytes: " + reason);
            }
            return context;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Does away with a context, and overwrites its key. */
    static void free(long context) {
        try {
            CONTEXT_FREE.invokeExact(context);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Whether the number of a unit may be written into a context's memory, in place of a call of {@link #setNumber}. */
    static boolean isNumberInPlace() {
        return NUMBER_IN_PLACE;
    }

    /**
     * Where a context has the number of the unit that comes next. OpenSSL's manual calls it its internal working buffer and the access
     * deprecated; whether it works is tried once.
     *
     * @return {@link MemorySegment#NULL} if it does not say
     */
    static MemorySegment numberOf(long context) {
        try {
            long address = (long) WORKING_NUMBER.invokeExact(context);
            return address == 0 ? MemorySegment.NULL : MemorySegment.ofAddress(address).reinterpret(NUMBER_BYTES);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Tells a context the number of the unit that comes next; false if it refuses. */
    static boolean setNumber(long context, long number) {
        try {
            return (int) NUMBER.invokeExact(context, 0L, 0L, number, UNCHANGED, 0L) == 1;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Transforms a unit: 1, or OpenSSL's answer to a failure. */
    static int update(long context, long to, long length, long from, int bytes) {
        try {
            return (int) UPDATE.invokeExact(context, to, length, from, bytes);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** The reason of this thread's last failure, in OpenSSL's words; the queue of reasons is empty afterwards. */
    static String error() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(ERROR_TEXT_BYTES);
            String said = "it gives no reason";
            for (long error = (long) GET_ERROR.invokeExact(); error != 0; error = (long) GET_ERROR.invokeExact()) {
                ERROR_STRING.invokeExact(error, text.address(), (long) ERROR_TEXT_BYTES);
                said = text.getString(0, StandardCharsets.UTF_8);
            }
            return said;
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** A downcall handle declares Throwable and throws nothing of its own. */
    private static AssertionError unexpected(Throwable t) {
        return new AssertionError("a call of libcrypto threw", t);
    }
}
