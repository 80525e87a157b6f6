/** The side of the client: a driver whose requests go to a server, over connections that may break. */
package io.blkmq.nbd.client;
