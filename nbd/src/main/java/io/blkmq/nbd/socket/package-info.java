/** Sockets: one thread for many of them, and what travels over one, plain or encrypted. */
package io.blkmq.nbd.socket;
