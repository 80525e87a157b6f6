/**
 * Which states a crash may leave, and the visit of them: {@link io.blkmq.testkit.crash.History} has the rules,
 * {@link io.blkmq.testkit.crash.Explorer} makes states and finds equal ones, {@link io.blkmq.testkit.crash.Reduction} makes a failing one
 * smaller. Knows neither disks nor files.
 */
package io.blkmq.testkit.crash;
