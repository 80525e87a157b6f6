/** What devices of other processes do, read from their counters files. */
package io.blkmq.tools.observe;
