/**
 * Files by FUSE, without libfuse: {@link io.blkmq.testkit.fuse.FuseDoor} starts a {@link io.blkmq.testkit.fuse.FuseServer} in a process of
 * its own and mounts folders, in which {@link io.blkmq.testkit.fuse.FuseMount} shows file trees.
 *
 * <pre>
 *   tested JVM                              server's JVM
 *   FuseDoor, FuseMount, FuseTree ── pipe ─▶ FuseServer ─▶ ServedMount ─▶ FileService ─▶ ShownTree ─▶ FileTree
 *   the tested program ── open, write, mmap ─▶ kernel ─▶ /dev/fuse ─▶ FuseDevice ─▶ FileService
 * </pre>
 */
package io.blkmq.testkit.fuse;
