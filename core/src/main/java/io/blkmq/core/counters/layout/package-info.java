/** What is where in a counters file, and how it is kept from being read half written. Knows nothing of disks. */
package io.blkmq.core.counters.layout;
