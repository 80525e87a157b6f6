/**
 * Files whose machine crashes: {@link io.blkmq.testkit.fs.CrashTest} runs a program, and shows a check the files that a crash would have
 * left, by the rules of a {@link io.blkmq.testkit.fs.FileSystemModel}.
 */
package io.blkmq.testkit.fs;
