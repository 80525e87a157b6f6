/** What is served: the disk behind each backing that is named. */
package io.blkmq.tools.serve;
