package io.blkmq.core;

/**
 * A hint: how long what is written is going to stay, so that a device can keep together what goes together. The kernel's
 * counterpart is {@code enum rw_hint}.
 *
 * @since 0.1.0
 */
public enum WriteLifetime {
    /** Nothing said. */
    NOT_SET,
    /** It makes no difference. */
    NONE,
    /** Overwritten soon. */
    SHORT,
    /** Longer than {@link #SHORT}. */
    MEDIUM,
    /** Longer than {@link #MEDIUM}. */
    LONG,
    /** Hardly ever overwritten. */
    EXTREME
}
