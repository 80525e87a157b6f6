package io.blkmq.loop.transfer;

/**
 * A kind of transformation between a disk and its file. The kernel's counterpart is {@code struct loop_func_table}. Other authors'
 * functions are found as services of this type, on the module path or the class path; number and name have to be their own. Thread-safe.
 *
 * @since 0.1.0
 */
public interface TransferFunction {
    /**
     * The number by which it is asked for ({@code lo_encrypt_type}).
     *
     * @return 0 and above; up to {@value TransferFunctions#KERNEL_NUMBER_MAX} only if it does the same as the kernel's function of that number
     */
    int number();

    /**
     * The name by which it is asked for.
     *
     * @return lower case
     */
    String name();

    /**
     * Refuses a key that the function cannot use.
     *
     * @param bytes its length; 0 for none
     * @throws IllegalArgumentException with the length and the possible lengths; never with the key
     */
    void checkKeyBytes(int bytes);

    /**
     * Begins to use a key.
     *
     * @param key of a length that {@link #checkKeyBytes} lets pass; it belongs to the caller, who wipes it, so keep a copy
     * @return transforms with that key, until it is closed
     */
    Transfer open(byte[] key);
}
