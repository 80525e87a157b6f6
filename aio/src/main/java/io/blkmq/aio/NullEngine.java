package io.blkmq.aio;

/** Ends every operation at once, with its whole length. */
final class NullEngine extends InlineEngine {

    static final String NAME = "null";

    NullEngine(AioEngineConfig config) {
        super(NAME, config);
    }

    @Override
    long carryOut(Kiocb kiocb) {
        return kiocb.operation().isTransfer() ? kiocb.bytes() : 0;
    }
}
