package io.blkmq.loop.transfer;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

/**
 * XTS-AES (IEEE Std 1619) by OpenSSL's libcrypto, in one pass from memory to memory. A unit costs one call of some 20 ns beside its
 * encryption: its number is written into the context where OpenSSL has shown to take it from there ({@link Evp#isNumberInPlace}).
 *
 * <p>Memory on the heap, which has no address, goes through the workplace. Of native memory the bounds and the life are checked once for
 * each run, and not kept: who gives it must not free it meanwhile, which holds for all memory of an I/O.
 *
 * <p>Keys: ours is overwritten when it is closed, and the memory that OpenSSL got it in at once; OpenSSL overwrites what it has when a
 * context is freed.
 */
final class OpenSslXts extends XtsTransfer<OpenSslXts.Workplace> {
    /** How much of memory on the heap is done at a time, at least a unit. */
    private static final int RUN_BYTES = 4096;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    private final AesKey key;

    /**
     * Begins to use a key.
     *
     * @param key both keys of AES, the one for data first; OpenSSL takes no two that are the same
     * @param unitBytes the length of a data unit, in whole blocks
     */
    OpenSslXts(byte[] key, int unitBytes) {
        super(unitBytes);
        this.key = new AesKey(key, 0, key.length);
        begin();
    }

    /** Whether both keys of AES are the same. OpenSSL refuses that, since XTS is weak with them. */
    static boolean hasEqualHalves(byte[] key) {
        return Arrays.equals(key, 0, key.length / 2, key, key.length / 2, key.length);
    }

    @Override
    Workplace newWorkplace() {
        return new Workplace();
    }

    @Override
    void transform(Workplace work, long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
            long bytes, boolean encrypt) {
        if (from.isNative() && to.isNative()) {
            work.run(unit, address(from, fromOffset, bytes), writableAddress(to, toOffset, bytes), bytes, encrypt);
        } else {
            work.runCopied(unit, from, fromOffset, to, toOffset, bytes, encrypt);
        }
    }

    private static long address(MemorySegment memory, long offset, long bytes) {
        Objects.checkFromIndexSize(offset, bytes, memory.byteSize());
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("Already closed");
        }
        if (!memory.isAccessibleBy(Thread.currentThread())) {
            throw new WrongThreadException("the memory is another thread's");
        }
        return memory.address() + offset;
    }

    private static long writableAddress(MemorySegment memory, long offset, long bytes) {
        if (memory.isReadOnly()) {
            throw new IllegalArgumentException("the memory to transform into is read-only");
        }
        return address(memory, offset, bytes);
    }

    @Override
    void destroyKeys() {
        key.destroy();
    }

    @Override
    public String toString() {
        return "aes-xts of OpenSSL with " + key.length() * 4 + " bits" + (isClosed() ? ", closed" : "");
    }

    /** Contexts of OpenSSL and memory for one thread at a time. */
    final class Workplace implements XtsTransfer.Workplace {
        private final Arena arena = Arena.ofShared();
        private final MemorySegment run;
        /** The number of a unit for {@link Evp#setNumber}, and after it the length that OpenSSL says it has done. */
        private final MemorySegment number;
        private final long lengthAddress;
        final long encryption;
        final long decryption;
        private final MemorySegment encryptionNumber;
        private final MemorySegment decryptionNumber;
        private boolean wiped;

        Workplace() {
            long first = 0;
            boolean done = false;
            try {
                int runBytes = Math.max(1, RUN_BYTES / unitBytes) * unitBytes;
                MemorySegment memory = arena.allocate(runBytes + Evp.NUMBER_BYTES + Long.BYTES, 64);
                run = memory.asSlice(0, runBytes);
                number = memory.asSlice(runBytes);
                lengthAddress = number.address() + Evp.NUMBER_BYTES;
                first = context(Evp.ENCRYPT);
                encryption = first;
                decryption = context(Evp.DECRYPT);
                done = true;
            } finally {
                if (!done) {
                    arena.close();
                    if (first != 0) {
                        Evp.free(first);
                    }
                }
            }
            encryptionNumber = Evp.isNumberInPlace() ? Evp.numberOf(encryption) : number;
            decryptionNumber = Evp.isNumberInPlace() ? Evp.numberOf(decryption) : number;
        }

        private long context(int direction) {
            byte[] bytes = key.getEncoded();
            try (Arena brief = Arena.ofConfined()) {
                MemorySegment copy = brief.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
                try {
                    return Evp.newContext(copy.address(), bytes.length, direction);
                } finally {
                    MemorySegment _ = copy.fill((byte) 0);
                }
            } finally {
                Arrays.fill(bytes, (byte) 0);
            }
        }

        void run(long unit, long from, long to, long bytes, boolean encrypt) {
            long context = encrypt ? encryption : decryption;
            MemorySegment next = encrypt ? encryptionNumber : decryptionNumber;
            boolean inPlace = Evp.isNumberInPlace();
            for (long at = 0; at < bytes; at += unitBytes) {
                // The upper half stays 0: unit numbers are of 64 bits.
                next.set(LONG, 0, unit++);
                if (!(inPlace || Evp.setNumber(context, next.address()))
                        || Evp.update(context, to + at, lengthAddress, from + at, unitBytes) != 1) {
                    throw new IllegalStateException("OpenSSL's AES failed: " + Evp.error());
                }
            }
        }

        void runCopied(long unit, MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes,
                boolean encrypt) {
            long next = unit;
            for (long at = 0; at < bytes; at += run.byteSize()) {
                long length = Math.min(run.byteSize(), bytes - at);
                MemorySegment.copy(from, fromOffset + at, run, 0, length);
                run(next, run.address(), run.address(), length, encrypt);
                MemorySegment.copy(run, 0, to, toOffset + at, length);
                next += length / unitBytes;
            }
        }

        boolean isWiped() {
            return wiped;
        }

        @Override
        public void wipe() {
            wiped = true;
            MemorySegment _ = run.fill((byte) 0);
            Evp.free(encryption);
            Evp.free(decryption);
            arena.close();
        }
    }
}
