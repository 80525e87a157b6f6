/** The life of an operation that Ceph has: knows nothing of Ceph. */
package io.blkmq.rbd.life;
