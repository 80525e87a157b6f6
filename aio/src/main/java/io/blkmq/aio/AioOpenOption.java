package io.blkmq.aio;

import java.nio.file.OpenOption;

/**
 * What a channel of {@link AioFiles} can be opened with beside {@link java.nio.file.StandardOpenOption}.
 *
 * @since 0.1.0
 */
public enum AioOpenOption implements OpenOption {
    /**
     * I/O goes past the page cache ({@code O_DIRECT}). The caller need not align anything; {@link AsyncFile} says what it costs not to.
     * {@code com.sun.nio.file.ExtendedOpenOption.DIRECT} means the same.
     */
    DIRECT
}
