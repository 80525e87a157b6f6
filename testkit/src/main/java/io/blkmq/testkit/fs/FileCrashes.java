package io.blkmq.testkit.fs;

import io.blkmq.testkit.crash.History;

/**
 * The crashes of a file system.
 *
 * @param history which effects a crash may leave
 * @param medium what these effects are
 */
record FileCrashes(History history, FileMedium medium) {}
