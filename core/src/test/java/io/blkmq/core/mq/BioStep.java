package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.WriteLifetime;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/** One line of a program of bios: a property of the device, a bio, or something else that a submitter does. */
sealed interface BioStep {
    /** The elevators, by number. */
    List<String> ELEVATORS = List.of("none", "mq-deadline", "kyber");
    /** The number of an act that takes longer than any time-out. */
    int A_LONG_WHILE = 7;

    /** A property of the device; one that no step sets has its usual value. */
    enum Knob {
        /** Its blocks. */
        LOGICAL_BLOCK_BYTES, PHYSICAL_BLOCK_BYTES, ALIGNMENT_OFFSET_BYTES, IO_MIN_BYTES, IO_OPT_BYTES,
        /** Its requests and their memory. */
        REQUEST_BYTES_MAX, SEGMENTS_MAX, SEGMENT_BYTES_MAX, SEGMENT_BOUNDARY_BYTES,
        /** More of that. */
        VIRTUAL_BOUNDARY_BYTES, CHUNK_BYTES, DMA_ALIGNMENT_BYTES, ANY_MEMORY,
        /** Its operations without data. */
        DISCARD_BYTES_MAX, DISCARD_GRANULARITY_BYTES, DISCARD_ALIGNMENT_BYTES, DISCARD_RANGES_MAX,
        /** Its other operation without data. */
        WRITE_ZEROES_BYTES_MAX,
        /** 1 with a write cache, 2 with FUA beside it. */
        WRITE_CACHE,
        /** The last of its limits is above; this is its size. */
        CAPACITY_SECTORS,
        /** Its tags and queues. */
        DEPTH, HARDWARE_QUEUES, READ_QUEUES, RESERVED_TAGS, BLOCKING, HOST_WIDE_TAGS, ROUND_ROBIN,
        /** What is done with what waits; the elevator's number is its place in {@link #ELEVATORS}. */
        MERGE, NOMERGES, ELEVATOR, NR_REQUESTS,
        /** What it does wrong, in so many of 256 requests. */
        REFUSALS, REQUEUES, ERRORS, PARTS, LOSSES,
        /** How many of 256 requests end within {@code queueRq}. */
        AT_ONCE,
        /** Whether it begins nothing before the last of a batch or the doorbell. */
        WAITS_FOR_THE_BELL,
        /** Whether it takes whole batches, or as much as it likes. */
        TAKES_BATCHES;

        private int usual() {
            return switch (this) {
                case CAPACITY_SECTORS -> 4096;
                case DEPTH -> 8;
                case HARDWARE_QUEUES -> 1;
                default -> 0;
            };
        }
    }

    /** What makes a set-up of a device. */
    record Setting(Knob knob, long value) implements BioStep {
        /** The value of a property. */
        static int of(Knob knob, List<? extends BioStep> steps) {
            long value = knob.usual();
            for (BioStep step : steps) {
                if (step instanceof Setting setting && setting.knob == knob) {
                    value = setting.value;
                }
            }
            return Math.toIntExact(value);
        }

        /** The limits of a device. */
        static QueueLimits limits(List<? extends BioStep> steps) {
            QueueLimits.Builder limits = QueueLimits.builder();
            for (BioStep step : steps) {
                if (step instanceof Setting setting) {
                    setting.limit(limits);
                }
            }
            return limits.build();
        }

        private void limit(QueueLimits.Builder limits) {
            int number = Math.toIntExact(value);
            switch (knob) {
                case LOGICAL_BLOCK_BYTES -> limits.logicalBlockBytes(number);
                case PHYSICAL_BLOCK_BYTES -> limits.physicalBlockBytes(number);
                case REQUEST_BYTES_MAX -> limits.requestBytesMax(number);
                case SEGMENTS_MAX -> limits.segmentsMax(number);
                case SEGMENT_BYTES_MAX -> limits.segmentBytesMax(number);
                case SEGMENT_BOUNDARY_BYTES -> limits.segmentBoundaryBytes(number);
                case VIRTUAL_BOUNDARY_BYTES -> limits.virtualBoundaryBytes(number);
                case CHUNK_BYTES -> limits.chunkBytes(number);
                case DMA_ALIGNMENT_BYTES -> limits.dmaAlignmentBytes(number);
                case DISCARD_BYTES_MAX -> limits.discardBytesMax(number);
                case DISCARD_GRANULARITY_BYTES -> limits.discardGranularityBytes(number);
                case DISCARD_ALIGNMENT_BYTES -> limits.discardAlignmentBytes(number);
                case DISCARD_RANGES_MAX -> limits.discardRangesMax(number);
                case WRITE_ZEROES_BYTES_MAX -> limits.writeZeroesBytesMax(number);
                case IO_MIN_BYTES -> limits.ioMinBytes(number);
                case IO_OPT_BYTES -> limits.ioOptBytes(number);
                case ALIGNMENT_OFFSET_BYTES -> limits.alignmentOffsetBytes(number);
                case ANY_MEMORY -> limits.anyMemory(value != 0);
                case WRITE_CACHE -> limits.writeCache(value > 0, value > 1);
                default -> {
                    // No limit.
                }
            }
        }

        @Override
        public String toString() {
            return knob + " " + value;
        }
    }

    /** Where memory comes from. */
    enum Memory {
        POOL, NATIVE, HEAP, READ_ONLY
    }

    /** A piece of memory: how far behind a multiple of 4096 it begins, or less far behind one of a smaller power of two. */
    record Piece(Memory memory, int unit, int offset, int bytes) {
        @Override
        public String toString() {
            return bytes + " " + memory + (offset == 0 ? "" : "+" + offset);
        }
    }

    /** A bio. */
    record Io(int submitter, Operation operation, int sector, int sectors, List<Piece> pieces, int flags,
            IoPriority priority, WriteLifetime lifetime, boolean plugged, boolean readBack) implements BioStep {
        long bytes() {
            return (long) sectors * QueueLimits.SECTOR_BYTES;
        }

        boolean has(int flag) {
            return (flags & flag) != 0;
        }

        boolean isDurable() {
            return operation == Operation.FLUSH || has(Bio.PREFLUSH | Bio.FUA);
        }

        @Override
        public String toString() {
            StringJoiner text = new StringJoiner(", ");
            text.add("submitter " + submitter + (plugged ? " plugs " : " submits ") + operation
                    + (operation.hasRange() ? " " + sector + "+" + sectors : ""));
            if (!pieces.isEmpty()) {
                text.add(pieces.toString());
            }
            if (flags != 0) {
                text.add(String.join("|", names(flags)));
            }
            if (!priority.equals(IoPriority.NONE)) {
                text.add(priority.toString());
            }
            if (lifetime != WriteLifetime.NOT_SET) {
                text.add(lifetime.toString());
            }
            return text + (readBack ? ", and reads it back" : "");
        }

        private static List<String> names(int flags) {
            String[] all = {"PREFLUSH", "FUA", "NOWAIT", "NOMERGE", "NOUNMAP", "CALLER_MEMORY", "POLLED", "SYNC"};
            List<String> names = new ArrayList<>();
            for (int i = 0; i < all.length; i++) {
                if ((flags & 1 << i) != 0) {
                    names.add(all[i]);
                }
            }
            return names;
        }
    }

    /** What a submitter can do besides. */
    enum Kind {
        WAIT(12), UNPLUG(12), SLEEP(6), FREEZE(2), QUIESCE(3), STOP(3), OTHER_QUEUES(2), ELEVATOR(2), NOMERGES(
                1), NR_REQUESTS(1), DIE(0);

        final int weight;

        Kind(int weight) {
            this.weight = weight;
        }
    }

    /** Something else that a submitter does; the number says how much or how many. */
    record Act(int submitter, Kind kind, int number) implements BioStep {
        @Override
        public String toString() {
            return "submitter " + submitter + ": " + kind + " " + number;
        }
    }

    /** The device gets other limits. */
    record Relimit(int submitter, List<Setting> settings) implements BioStep {
        @Override
        public String toString() {
            return "submitter " + submitter + " changes the limits: " + settings;
        }
    }
}
