/** Traces of disks: what the command prints of them, and the devices that they are replayed on. */
package io.blkmq.tools.trace;
