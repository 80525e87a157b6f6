/** What the explorations of crashes have in common, of disks and of files: their report. */
package io.blkmq.testkit;
