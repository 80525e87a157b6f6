package io.blkmq.loop.transfer;

import java.util.Arrays;
import javax.security.auth.Destroyable;

/**
 * A key on its way to a device, which wipes it when it is detached. It says nothing of itself but its length. Thread-safe.
 *
 * @since 0.1.0
 */
public final class TransferKey implements Destroyable {
    private final byte[] bytes;
    /** Guarded by this object's monitor, and the bytes with it. */
    private boolean destroyed;

    private TransferKey(byte[] bytes) {
        this.bytes = bytes;
    }

    /**
     * Copies a key.
     *
     * @param key stays the caller's, to be overwritten by it
     * @return the copy
     */
    public static TransferKey copyOf(byte[] key) {
        return new TransferKey(key.clone());
    }

    /**
     * No key.
     *
     * @return of length 0
     */
    public static TransferKey none() {
        return new TransferKey(new byte[0]);
    }

    /**
     * Its length.
     *
     * @return bytes
     */
    public int length() {
        return bytes.length;
    }

    /**
     * Begins to use it.
     *
     * @param function what for
     * @return the function with this key
     * @throws IllegalArgumentException if the function takes no key of this length
     * @throws IllegalStateException if it has been wiped
     */
    public synchronized Transfer open(TransferFunction function) {
        if (destroyed) {
            throw new IllegalStateException("the key of " + bytes.length
                    + " bytes has been wiped, by a device that was detached" + " or by its owner");
        }
        function.checkKeyBytes(bytes.length);
        return function.open(bytes);
    }

    /** Overwrites it. */
    @Override
    public synchronized void destroy() {
        destroyed = true;
        Arrays.fill(bytes, (byte) 0);
    }

    @Override
    public synchronized boolean isDestroyed() {
        return destroyed;
    }

    @Override
    public String toString() {
        return "key of " + bytes.length + " bytes" + (isDestroyed() ? ", wiped" : "");
    }
}
