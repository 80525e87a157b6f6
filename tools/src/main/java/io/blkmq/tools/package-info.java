/** The {@code blkmq} command and its subcommands. */
package io.blkmq.tools;
