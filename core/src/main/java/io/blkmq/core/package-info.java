/**
 * The block layer as the user of a disk sees it: {@link io.blkmq.core.Disk}, {@link io.blkmq.core.Bio}, memory, limits and
 * statuses. Authors of drivers continue in {@code io.blkmq.core.driver}.
 */
package io.blkmq.core;
