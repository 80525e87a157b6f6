package io.blkmq.aio;

import java.io.IOException;
import java.util.List;

/** The setups of this module's engines, for the contract. */
final class EngineSetups {
    private EngineSetups() {}

    static List<Setup> all() throws IOException {
        return Setup.all();
    }
}
