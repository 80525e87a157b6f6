package io.blkmq.aio;

/** Ends every operation at once, with its whole length. */
final class NullEngine extends InlineEngine {

    static final String NAME = "null";

    NullEngine(AioEngineConfig config) {
        super(NAME, config);
    }

    /** Its files are those of the system, and it has no thread that may wait for them. */
    @Override
    void startCall(FileCall<?> call) {
        if (!CallThreads.execute(() -> {
            call.run();
            tellCall(call);
        })) {
            call.failWithoutThread();
            tellCall(call);
        }
    }

    @Override
    long carryOut(Kiocb kiocb) {
        return kiocb.operation().isTransfer() ? kiocb.bytes() : 0;
    }
}
