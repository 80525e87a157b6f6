package io.blkmq.loop.transfer;

/** XTS-AES with 128 or 256 bits. */
final class AesXtsFunction implements TransferFunction {
    /** The first that the kernel's table has not. */
    private static final int NUMBER = TransferFunctions.KERNEL_NUMBER_MAX + 1;

    @Override
    public int number() {
        return NUMBER;
    }

    @Override
    public String name() {
        return "aes-xts";
    }

    @Override
    public void checkKeyBytes(int bytes) {
        if (bytes != 32 && bytes != 64) {
            throw new IllegalArgumentException(
                    "aes-xts takes keys of 32 or 64 bytes, two of AES in one, not of " + bytes);
        }
    }

    @Override
    public Transfer open(byte[] key) {
        checkKeyBytes(key.length);
        return new AesXts(key, Transfer.SECTOR_BYTES);
    }

    @Override
    public String toString() {
        return name();
    }
}
