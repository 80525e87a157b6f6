package io.blkmq.aio;

import java.util.Set;

/** Ends every operation at once, with its whole length. */
final class NullEngine extends InlineEngine {

    static final String NAME = "null";

    NullEngine(AioEngineConfig config) {
        super(config);
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<AioOperation> operations() {
        return ALL;
    }

    @Override
    long carryOut(Kiocb kiocb) {
        return kiocb.operation().isTransfer() ? kiocb.bytes() : 0;
    }
}
