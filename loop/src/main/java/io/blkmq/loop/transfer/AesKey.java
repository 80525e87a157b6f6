package io.blkmq.loop.transfer;

import java.io.NotSerializableException;
import java.io.ObjectOutputStream;
import java.io.Serial;
import java.util.Arrays;
import javax.crypto.SecretKey;

/** A key of AES that can be overwritten, which the JDK's own cannot. Says nothing of itself. */
final class AesKey implements SecretKey {
    @Serial
    private static final long serialVersionUID = 1L;

    private final transient byte[] bytes;
    private transient volatile boolean destroyed;

    /** Copies a part of a longer key. */
    AesKey(byte[] from, int offset, int length) {
        this.bytes = Arrays.copyOfRange(from, offset, offset + length);
    }

    /** What takes the place of another in a cipher that is done. */
    static AesKey zero(int length) {
        return new AesKey(new byte[length], 0, length);
    }

    int length() {
        return bytes.length;
    }

    @Override
    public String getAlgorithm() {
        return "AES";
    }

    @Override
    public String getFormat() {
        return "RAW";
    }

    /** A copy, which the cipher overwrites. */
    @Override
    public byte[] getEncoded() {
        if (destroyed) {
            throw new IllegalStateException("the key has been wiped");
        }
        return bytes.clone();
    }

    @Override
    public void destroy() {
        destroyed = true;
        Arrays.fill(bytes, (byte) 0);
    }

    @Override
    public boolean isDestroyed() {
        return destroyed;
    }

    @Serial
    private void writeObject(ObjectOutputStream out) throws NotSerializableException {
        throw new NotSerializableException("a key stays where it is");
    }

    @Override
    public String toString() {
        return "AES key of " + bytes.length + " bytes" + (destroyed ? ", wiped" : "");
    }
}
