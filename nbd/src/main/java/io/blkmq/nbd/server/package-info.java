/** The side of the server: connections, what clients ask for, and what they may. */
package io.blkmq.nbd.server;
