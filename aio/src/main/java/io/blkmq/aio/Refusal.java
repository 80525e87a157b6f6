package io.blkmq.aio;

import java.io.IOException;

/** Why an engine has refused an operation, as an exception: a mistake of the caller's is unchecked, all else is the system's. */
final class Refusal {

    private Refusal() {}

    /** Throws what a refusal calls for. The kiocb is its owner's again, as it was. */
    static void raise(AioEngine engine, Kiocb kiocb, int refused) throws IOException {
        String name = "AIO engine " + engine.name();
        switch (-refused) {
            case Errno.EBUSY -> throw new IllegalStateException("the kiocb is in flight: " + kiocb);
            case Errno.EFAULT -> throw new IllegalStateException("memory of a closed arena: " + kiocb);
            case Errno.EOPNOTSUPP ->
                throw new UnsupportedOperationException(name + " has no " + kiocb.operationInWords() + ", only "
                        + engine.operations() + (engine.flags().isEmpty() ? "" : " and " + engine.flags()));
            case Errno.EINVAL -> {
                if (!engine.isOpen()) {
                    throw new IllegalStateException(name + " is closed");
                }
                if (!kiocb.isPrepared()) {
                    throw new IllegalStateException("the kiocb is not prepared: " + kiocb);
                }
                if (kiocb.has(AioFlag.ATOMIC) && !kiocb.isOneEntry()) {
                    throw new IllegalArgumentException("an atomic write has at most " + NativeFile.SEGMENTS_MAX
                            + " segments and " + NativeFile.TRANSFER_MAX + " bytes: " + kiocb);
                }
                throw new IllegalArgumentException(name + " takes no file of another family: " + kiocb.file());
            }
            case Errno.EBADF -> {
                if (!kiocb.file().isClosed()) {
                    throw new IllegalStateException("the file is not open for writing: " + kiocb.file());
                }
                throw AioException.of(refused, kiocb.file().path(), kiocb.operationInWords());
            }
            default ->
                throw AioException.of(refused, kiocb.isPrepared() ? kiocb.file().path() : null, "submit to " + name);
        }
    }
}
