/** Annotations and assertions for tests of storage with JUnit 5 and AssertJ. */
package io.blkmq.testkit.junit;
