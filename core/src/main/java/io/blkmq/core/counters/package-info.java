/**
 * The counters of a process's disks in a file that other processes read: {@link io.blkmq.core.counters.CountersFile} writes it,
 * {@link io.blkmq.core.counters.CountersReader} reads it, and {@code blkmq iostat} shows it.
 */
package io.blkmq.core.counters;
