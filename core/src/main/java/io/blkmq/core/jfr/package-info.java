/** Events for the flight recorder of the JDK. Knows the door, and nothing of the engine room. */
package io.blkmq.core.jfr;
