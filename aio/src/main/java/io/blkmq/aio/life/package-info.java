/** Who may use an engine, and how it ends: once, by one thread, and while no thread is in it. Not exported. */
package io.blkmq.aio.life;
