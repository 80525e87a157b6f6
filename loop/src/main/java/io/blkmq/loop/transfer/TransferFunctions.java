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
     */
    public static final TransferFunction AES_XTS = new AesXtsFunction();

    private static final List<TransferFunction> BUILT_IN = List.of(NONE, XOR, AES_XTS);

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
