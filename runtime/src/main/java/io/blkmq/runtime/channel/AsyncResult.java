package io.blkmq.runtime.channel;

/**
 * Whom an asynchronous operation of a channel tells how it ended, once.
 *
 * @param <V> the type of its result
 */
public interface AsyncResult<V> {
    /**
     * It has done what it should.
     *
     * @param value its result
     * @param here whether the calling thread may run code of the user's on the spot
     */
    void completed(V value, boolean here);

    /**
     * It has failed.
     *
     * @param cause why
     * @param here whether the calling thread may run code of the user's on the spot
     */
    void failed(Throwable cause, boolean here);
}
