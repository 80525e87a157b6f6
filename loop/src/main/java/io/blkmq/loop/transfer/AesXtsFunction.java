package io.blkmq.loop.transfer;

/** XTS-AES with 128 or 256 bits, by the JDK or by OpenSSL. Both make the same of the same key. */
final class AesXtsFunction implements TransferFunction {
    /** Who does it. */
    enum By {
        /** Whichever of the two is faster here, and takes the key. */
        FASTER("aes-xts", 1),
        /** The JDK's AES. */
        JAVA("aes-xts-java", 2),
        /** OpenSSL's libcrypto. */
        OPENSSL("aes-xts-openssl", 3);

        private final String function;
        /** After the last one that the kernel's table has. */
        private final int place;

        By(String function, int place) {
            this.function = function;
            this.place = place;
        }
    }

    private final By by;

    AesXtsFunction(By by) {
        this.by = by;
    }

    @Override
    public int number() {
        return TransferFunctions.KERNEL_NUMBER_MAX + by.place;
    }

    @Override
    public String name() {
        return by.function;
    }

    @Override
    public void checkKeyBytes(int bytes) {
        if (bytes != 32 && bytes != 64) {
            throw new IllegalArgumentException(
                    name() + " takes keys of 32 or 64 bytes, two of AES in one, not of " + bytes);
        }
    }

    @Override
    public Transfer open(byte[] key) {
        checkKeyBytes(key.length);
        return switch (by) {
            case JAVA -> new AesXts(key, Transfer.SECTOR_BYTES);
            case OPENSSL -> openssl(key);
            case FASTER -> LibCrypto.pays() && !OpenSslXts.hasEqualHalves(key)
                    ? new OpenSslXts(key, Transfer.SECTOR_BYTES)
                    : new AesXts(key, Transfer.SECTOR_BYTES);
        };
    }

    private Transfer openssl(byte[] key) {
        String refusal = LibCrypto.refusal();
        if (refusal != null) {
            throw new UnsupportedOperationException(name() + " cannot be used: " + refusal);
        }
        if (OpenSslXts.hasEqualHalves(key)) {
            throw new IllegalArgumentException(
                    name() + " takes no key of " + key.length + " bytes whose two halves are the same");
        }
        return new OpenSslXts(key, Transfer.SECTOR_BYTES);
    }

    @Override
    public String toString() {
        return name();
    }
}
