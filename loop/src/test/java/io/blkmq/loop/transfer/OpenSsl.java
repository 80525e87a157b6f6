package io.blkmq.loop.transfer;

import io.blkmq.testing.Command;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** XTS-AES as libcrypto does it, where that is installed. For one thread. */
@SuppressWarnings("restricted") // another's library, for comparison
final class OpenSsl implements AutoCloseable {
    private static final String LIBRARY = "libcrypto.so.3";
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final java.lang.foreign.AddressLayout ADDRESS = ValueLayout.ADDRESS;

    private final Arena arena = Arena.ofConfined();
    private final SymbolLookup library;
    private final MemorySegment context;
    private final MethodHandle init;
    private final MethodHandle update;
    private final MethodHandle free;
    private final MemorySegment aes128;
    private final MemorySegment aes256;

    private OpenSsl(SymbolLookup library) throws Throwable {
        this.library = library;
        this.context = (MemorySegment) function("EVP_CIPHER_CTX_new", FunctionDescriptor.of(ADDRESS)).invoke();
        this.init = function("EVP_EncryptInit_ex",
                FunctionDescriptor.of(INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
        this.update = function("EVP_EncryptUpdate",
                FunctionDescriptor.of(INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, INT));
        this.free = function("EVP_CIPHER_CTX_free", FunctionDescriptor.ofVoid(ADDRESS));
        this.aes128 = (MemorySegment) function("EVP_aes_128_xts", FunctionDescriptor.of(ADDRESS)).invoke();
        this.aes256 = (MemorySegment) function("EVP_aes_256_xts", FunctionDescriptor.of(ADDRESS)).invoke();
    }

    static OpenSsl open() {
        SymbolLookup found;
        try {
            found = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
        } catch (IllegalArgumentException e) {
            Command.lacking(LIBRARY);
            throw e;
        }
        try {
            return new OpenSsl(found);
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
    }

    private MethodHandle function(String name, FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(library.find(name).orElseThrow(), type);
    }

    /** Encrypts one data unit. */
    void encrypt(byte[] key, long unit, MemorySegment plain, MemorySegment cipher) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment tweak = call.allocate(16);
            tweak.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, unit);
            MemorySegment in = call.allocate(plain.byteSize()).copyFrom(plain);
            MemorySegment out = call.allocate(plain.byteSize() + 32);
            MemorySegment length = call.allocate(INT);
            int begun = (int) init.invoke(context, key.length == 32 ? aes128 : aes256, MemorySegment.NULL,
                    call.allocateFrom(ValueLayout.JAVA_BYTE, key), tweak);
            int done = (int) update.invoke(context, out, length, in, (int) plain.byteSize());
            if (begun != 1 || done != 1 || length.get(INT, 0) != plain.byteSize()) {
                throw new AssertionError("OpenSSL answered " + begun + " and " + done);
            }
            cipher.copyFrom(out.asSlice(0, plain.byteSize()));
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
    }

    @Override
    public void close() {
        try {
            free.invoke(context);
        } catch (Throwable t) {
            throw new AssertionError(t);
        } finally {
            arena.close();
        }
    }
}
