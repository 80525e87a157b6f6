/** Calls of Ceph's libraries librados and librbd, and the few of the C library that go with them. */
package io.blkmq.rbd.ceph;
