package io.blkmq.loop.transfer;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.ServiceLoader;
import java.util.function.Predicate;

/**
 * Finds transfer functions: of this module, and by {@link ServiceLoader}. Thread-safe.
 *
 * @since 0.1.0
 */
public final class TransferFunctions {
    /** The last number of the kernel's table; what is not in the kernel's has a number above it. */
    public static final int KERNEL_NUMBER_MAX = 20;

    /** Changes nothing, and takes no key. */
    public static final TransferFunction NONE = new NoTransfer();
    /** The key, repeated within each sector, by exclusive or. Hides nothing from anybody who looks: for images of that time. */
    public static final TransferFunction XOR = new XorFunction();
    /**
     * XTS-AES of IEEE Std 1619 with 128 or 256 bits: keys of 32 or 64 bytes, and the sector's number as the tweak. The same as
     * {@code aes-xts-plain64} of dm-crypt on such a device. It protects what a stolen file would tell, and not against those who
     * change it.
     *
     * <p>It is done by {@link #AES_XTS_OPENSSL} where that can be used and is the faster one, and otherwise by {@link #AES_XTS_JAVA}. What
     * they make is the same.
     */
    public static final TransferFunction AES_XTS = new AesXtsFunction(AesXtsFunction.By.FASTER);
    /** The same by the JDK's AES, wherever there is one. */
    public static final TransferFunction AES_XTS_JAVA = new AesXtsFunction(AesXtsFunction.By.JAVA);
    /**
     * The same by {@code libcrypto.so.3} of OpenSSL. Opening it throws {@link UnsupportedOperationException} with the reason where it
     * cannot be used: there is no such library, or the JVM has not been told to allow native access to the module {@code io.blkmq.loop},
     * by {@code --enable-native-access}. It refuses a key whose two halves are the same.
     */
    public static final TransferFunction AES_XTS_OPENSSL = new AesXtsFunction(AesXtsFunction.By.OPENSSL);

    private static final List<TransferFunction> BUILT_IN = List.of(NONE, XOR, AES_XTS, AES_XTS_JAVA, AES_XTS_OPENSSL);

    private TransferFunctions() {}

    /**
     * All that can be found now.
     *
     * @return the functions of this module first
     */
    public static List<TransferFunction> all() {
        List<TransferFunction> all = new ArrayList<>(BUILT_IN);
        ServiceLoader.load(TransferFunction.class).forEach(all::add);
        return all;
    }

    /**
     * Finds one by its name.
     *
     * @param name its name
     * @return the first of that name
     * @throws NoSuchElementException if there is none; the message lists all
     */
    public static TransferFunction find(String name) {
        return find("name " + name, function -> function.name().equals(name));
    }

    /**
     * Finds one by its number.
     *
     * @param number its number
     * @return the first of that number
     * @throws NoSuchElementException if there is none; the message lists all
     */
    public static TransferFunction find(int number) {
        return find("number " + number, function -> function.number() == number);
    }

    private static TransferFunction find(String what, Predicate<TransferFunction> isWanted) {
        List<TransferFunction> all = all();
        return all.stream().filter(isWanted).findFirst()
                .orElseThrow(() -> new NoSuchElementException("no transfer function of " + what + ": there are "
                        + all.stream().map(function -> function.name() + " (" + function.number() + ")").toList()));
    }
}
