package io.blkmq.aio;

/**
 * How a transfer is carried out, beside what it moves: {@link Kiocb#with}. An engine says which of them it knows ({@link AioEngine#flags});
 * whether file and kernel know it, too, is said by the result. A write that is to be durable is {@link Kiocb#thenSync}, and no flag.
 *
 * @since 0.1.0
 */
public enum AioFlag {
    /**
     * The operation ends with EAGAIN where it would have to wait: for a lock of the file, for blocks to be allocated, for the page cache to
     * be filled, or for a place in the device's queue. A read that has moved bytes before that ends with their count. A write that ends with
     * EAGAIN may have written a part; since an operation has its offset, it can be repeated. The kernel's {@code RWF_NOWAIT}.
     */
    NOWAIT(0x8),
    /**
     * Of a write: a power cut leaves all of it or nothing. Its length is a power of two within {@link AioFile#atomicWrites}, its offset a
     * multiple of the length, and the file is open for direct I/O; otherwise the result is EINVAL, and EOPNOTSUPP where the file has no
     * atomic writes. It never ends short. The kernel's {@code RWF_ATOMIC}, from Linux 6.11 on.
     */
    ATOMIC(0x40),
    /**
     * A buffered transfer leaves nothing in the page cache: what it brought there is dropped when it has been read, or written back. For
     * data that nobody will read again soon. EOPNOTSUPP where the file system does not know it. The kernel's {@code RWF_DONTCACHE}, from Linux
     * 6.14 on.
     */
    DONTCACHE(0x80);

    /** Its bit in a set that is one word, which is the kernel's {@code RWF_...}. */
    final int bit;

    AioFlag(int bit) {
        this.bit = bit;
    }
}
