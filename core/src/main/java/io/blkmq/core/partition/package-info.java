/** How partition tables are read. Nothing that a disk says is trusted: every number is checked before it is used, every loop bounded. */
package io.blkmq.core.partition;
