package io.blkmq.core.partition;

import java.nio.ByteBuffer;

/** The layout of a master boot record, which extended ones share. Four entries of 16 bytes, little-endian, and a signature behind them. */
final class BootRecord {
    static final int ENTRIES = 4;
    /** The type of the entry that protects a GPT. */
    static final int PROTECTIVE = 0xEE;

    private static final int ENTRIES_OFFSET = 446;
    private static final int ENTRY_BYTES = 16;
    private static final int DISK_ID_OFFSET = 440;
    private static final int SIGNATURE_OFFSET = 510;
    private static final int SIGNATURE = 0xAA55;
    private static final int ACTIVE = 0x80;

    private BootRecord() {}

    /** One of the entries, with its numbers as they are on the disk: unsigned, in logical blocks. */
    record Entry(int indicator, int type, long start, long blocks) {
        /** Whether it says no more than where other records are. */
        boolean isExtended() {
            return type == 0x05 || type == 0x0F || type == 0x85;
        }

        boolean isActive() {
            return (indicator & ACTIVE) != 0;
        }
    }

    static boolean isOne(ByteBuffer block) {
        return Short.toUnsignedInt(block.getShort(SIGNATURE_OFFSET)) == SIGNATURE;
    }

    static Entry entry(ByteBuffer block, int index) {
        int at = ENTRIES_OFFSET + index * ENTRY_BYTES;
        return new Entry(Byte.toUnsignedInt(block.get(at)), Byte.toUnsignedInt(block.get(at + 4)),
                Integer.toUnsignedLong(block.getInt(at + 8)), Integer.toUnsignedLong(block.getInt(at + 12)));
    }

    static int diskId(ByteBuffer block) {
        return block.getInt(DISK_ID_OFFSET);
    }

    /** Whether it protects a GPT that begins where it has to. */
    static boolean isProtective(ByteBuffer block) {
        for (int i = 0; i < ENTRIES; i++) {
            Entry entry = entry(block, i);
            if (entry.type == PROTECTIVE && entry.start == GptReader.HEADER_BLOCK) {
                return true;
            }
        }
        return false;
    }

    /** Whether it protects a GPT, wherever. */
    static boolean protects(ByteBuffer block) {
        for (int i = 0; i < ENTRIES; i++) {
            if (entry(block, i).type == PROTECTIVE) {
                return true;
            }
        }
        return false;
    }

    /** Whether its entries are what entries look like: a boot sector of a file system has code there, under the same signature. */
    static boolean hasEntries(ByteBuffer block) {
        for (int i = 0; i < ENTRIES; i++) {
            int indicator = entry(block, i).indicator;
            if (indicator != 0 && indicator != ACTIVE) {
                return false;
            }
        }
        return true;
    }
}
