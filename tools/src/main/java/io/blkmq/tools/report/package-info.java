/** What a run is told by: text for people in fio's familiar shape, and JSON that fio's parsers read. */
package io.blkmq.tools.report;
