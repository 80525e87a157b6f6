package io.blkmq.core.counters.layout;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Where what is in a counters file, version {@value #VERSION}: docs/reference/counters-file.md describes each byte. All numbers are little-endian and aligned, so
 * that none is ever seen half written.
 */
public final class CountersLayout {
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** Of the longs whose order to others matters. */
    public static final VarHandle ORDERED = LONG.varHandle();

    /** "BLKMQCNT". */
    public static final long MAGIC = 0x544e43514d4b4c42L;
    public static final int VERSION = 1;
    public static final String SUFFIX = ".counters";

    // The header.
    public static final int MAGIC_AT = 0;
    public static final int VERSION_AT = 8;
    public static final int HEADER_BYTES_AT = 12;
    public static final int SLOT_BYTES_AT = 16;
    public static final int SLOTS_AT = 20;
    public static final int PID_AT = 24;
    public static final int STARTED_AT = 32;
    public static final int OPENED_AT = 40;
    public static final int WRITTEN_AT = 48;
    public static final int ROUNDS_AT = 56;
    public static final int USED_AT = 64;
    public static final int LEFT_OUT_AT = 72;
    public static final int COMMAND_AT = 128;
    public static final int COMMAND_BYTES = 384;
    public static final int HEADER_BYTES = 512;

    // A slot.
    public static final int SEQUENCE_AT = 0;
    public static final int ID_AT = 8;
    public static final int CREATED_NANOS_AT = 16;
    public static final int AT_NANOS_AT = 24;
    public static final int BUSY_NANOS_AT = 32;
    public static final int READS_IN_FLIGHT_AT = 40;
    public static final int WRITES_IN_FLIGHT_AT = 48;
    public static final int SIZE_BYTES_AT = 56;
    public static final int GROUPS_AT = 64;
    public static final int GROUPS = 4;
    public static final int FIGURES = 5;
    public static final int NAME_AT = 256;
    public static final int NAME_BYTES = 64;
    public static final int DRIVER_AT = 320;
    public static final int DRIVER_BYTES = 32;
    public static final int MODE_AT = 352;
    public static final int MODE_BYTES = 64;
    public static final int ENGINE_AT = 416;
    public static final int ENGINE_BYTES = 64;
    public static final int ELEVATOR_AT = 480;
    public static final int ELEVATOR_BYTES = 32;
    public static final int BACKING_AT = 512;
    public static final int BACKING_BYTES = 512;
    public static final int SLOT_BYTES = 1024;

    /** As many devices of a process have a place. */
    public static final int SLOTS = 4096;
    public static final long FILE_BYTES = HEADER_BYTES + (long) SLOTS * SLOT_BYTES;

    private CountersLayout() {}

    public static long slotAt(int slot) {
        return HEADER_BYTES + (long) slot * SLOT_BYTES;
    }
}
