/** The work queue of a loop device: commands that workers carry out, threads of blkmq or agents of the application. Not exported. */
package io.blkmq.loop.work;
