package io.blkmq.testkit.crash;

/**
 * Storage on which effects of a {@link History} are applied.
 *
 * @param <I> an image of its content
 */
public interface Medium<I> {
    /** The image before anything has happened. */
    I before();

    /** An image of its own with the same content; cheap, for it is made for each state that is visited. */
    I copy(I image);

    /** Applies an effect to an image. */
    void apply(I image, int effect);

    /**
     * Completes an image, to which no more effects will be applied, and tells the identity of its content.
     *
     * @return equal for images that are equal to whoever reads them
     */
    Object identity(I image);

    /** An effect for the reader of a report. */
    String describe(int effect);

    /** The event after which a position stands, for the reader of a report. */
    String describeEvent(int position);
}
