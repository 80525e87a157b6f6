/** The bytes of the protocol: its numbers, and how its messages are read and written. */
package io.blkmq.nbd.wire;
