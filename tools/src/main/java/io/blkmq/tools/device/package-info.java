/** What jobs run on: the device behind each name, from {@code --attach} or made for the occasion. */
package io.blkmq.tools.device;
