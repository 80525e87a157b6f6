package io.blkmq.core.mq;

import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link TagSet.Builder} has been told, once it is known to be within its limits.
 *
 * @param layout how many hardware contexts of which type
 * @param depth how many requests each is to have
 * @param reservedTags how many of these are reserved
 * @param pduBytes the driver's part of each
 * @param flags properties
 * @param driverData the driver's object
 * @param runtime threads and time
 * @param timeoutNanos how long a request may be in flight before its driver is asked
 * @param completionAffinity where completions of new queues run
 */
public record PoolShape(QueueLayout layout, int depth, int reservedTags, int pduBytes, Set<TagSet.Flag> flags,
        @Nullable Object driverData, IoRuntime runtime, long timeoutNanos, CompletionAffinity completionAffinity) {}
