package io.blkmq.core;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * How a bio has ended, told once: by the bio, or by whoever submitted it and was thrown an error. After an error the bio
 * may be in flight all the same, or may have ended already.
 */
final class FirstEnd implements BioCompletion {
    private final IoCompletion completion;
    private final AtomicBoolean told = new AtomicBoolean();

    FirstEnd(IoCompletion completion) {
        this.completion = completion;
    }

    @Override
    public void ended(Bio bio) {
        if (told.compareAndSet(false, true)) {
            completion.ended(bio.status());
        }
    }

    /**
     * The submission has thrown something.
     *
     * @return whether nobody has been told of an end of the bio, nor will be
     */
    boolean isLeftToSubmitter(Bio bio) {
        return !bio.isInFlight() && told.compareAndSet(false, true);
    }
}
