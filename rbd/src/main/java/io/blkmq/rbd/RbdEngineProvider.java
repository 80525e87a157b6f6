package io.blkmq.rbd;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioUnavailableException;
import io.blkmq.rbd.ceph.Ceph;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Provides {@code rbd}: images of Ceph's block device, by way of librbd and librados. Its files are named by an {@link RbdAddress}. The libraries are
 * those of Ceph 16 or later, found by the dynamic linker, or where the system properties {@code io.blkmq.rbd.librbd} and
 * {@code io.blkmq.rbd.librados} say: the name or path of each.
 *
 * <p>An image that is opened for {@linkplain io.blkmq.aio.AioFile.Access#READ_WRITE writing} is locked for this client alone, until it is closed. Each image has
 * a connection of its own to the cluster.
 *
 * @since 0.1
 */
public final class RbdEngineProvider implements AioEngineProvider {
    /** The name of the engine. */
    public static final String NAME = "rbd";

    /** For {@link java.util.ServiceLoader}. */
    public RbdEngineProvider() {}

    @Override
    public String name() {
        return NAME;
    }

    /** Whether the libraries are there. Whether a cluster is, an image's opening shows. */
    @Override
    public Optional<String> unavailable() {
        return Optional.ofNullable(Ceph.refusal());
    }

    @Override
    public boolean isShareable() {
        return true;
    }

    @Override
    public boolean isNamedBy(Path path) {
        return RbdAddress.isMeantBy(path.toString());
    }

    @Override
    public AioEngine open(AioEngineConfig config) throws IOException {
        String refusal = Ceph.refusal();
        if (refusal != null) {
            throw new AioUnavailableException(NAME, refusal);
        }
        RbdDriver driver = new RbdDriver();
        boolean good = false;
        try {
            AioEngine engine = AioEngines.drive(driver, config);
            good = true;
            return engine;
        } finally {
            if (!good) {
                driver.close();
            }
        }
    }
}
