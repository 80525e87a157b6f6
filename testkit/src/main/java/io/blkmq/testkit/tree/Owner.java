package io.blkmq.testkit.tree;

/**
 * Who may modify a page, an inode or a branch in place: the tree whose present owner is the same object. A fork gives both trees new
 * owners, and by that makes all that there is read-only for both, without touching it; what is modified then is copied first.
 */
final class Owner {}
