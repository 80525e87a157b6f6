package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.mq.BioStep.Act;
import io.blkmq.core.mq.BioStep.Io;
import io.blkmq.core.mq.BioStep.Kind;
import io.blkmq.core.mq.BioStep.Knob;
import io.blkmq.core.mq.BioStep.Memory;
import io.blkmq.core.mq.BioStep.Piece;
import io.blkmq.core.mq.BioStep.Relimit;
import io.blkmq.core.mq.BioStep.Setting;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Makes random programs of bios. A program has a character, chosen first: how many submitters, how long its bios are, how odd their
 * memory, how many flags, whether they are plugged. So rare things come together in some programs, and others are plain.
 */
final class BioStepGenerator {
    static final int SUBMITTERS_MAX = 4;
    /** The most pieces of memory of one bio. */
    static final int PIECES_MAX = 64;

    private static final int STEPS_MAX = 40;
    private static final Operation[] OPERATIONS = {Operation.WRITE, Operation.WRITE, Operation.WRITE, Operation.WRITE,
            Operation.READ, Operation.READ, Operation.READ, Operation.DISCARD, Operation.WRITE_ZEROES, Operation.FLUSH};

    private final RandomGenerator random;
    private final List<BioStep> steps = new ArrayList<>();
    private final int submitters;
    /** Sectors of a block, and of the device. */
    private final int block;
    private final int capacity;
    private final int dmaAlignment;
    /** Each in so many of 256. */
    private final int plugged;
    private final int continued;
    private final int oddMemory;
    private final int flagged;
    private final int urgent;
    private final int blocksMax;
    /** The submitters' last bios. */
    private final int[] lastSector = new int[SUBMITTERS_MAX];
    private final int[] lastSectors = new int[SUBMITTERS_MAX];
    private final Operation[] lastOperation = new Operation[SUBMITTERS_MAX];

    private BioStepGenerator(RandomGenerator random) {
        this.random = random;
        this.submitters = 1 + random.nextInt(SUBMITTERS_MAX);
        int blockBytes = 512 << (oneIn(3) ? random.nextInt(4) : 0);
        this.block = blockBytes / QueueLimits.SECTOR_BYTES;
        this.capacity = block * (64 + random.nextInt(192));
        if (block > 1) {
            steps.add(new Setting(Knob.LOGICAL_BLOCK_BYTES, blockBytes));
        }
        steps.add(new Setting(Knob.CAPACITY_SECTORS, capacity));
        limits(blockBytes).forEach(steps::add);
        this.dmaAlignment = Setting.limits(steps).dmaAlignmentBytes();
        this.plugged = random.nextInt(3) * 128;
        this.continued = new int[]{0, 128, 220, 250}[random.nextInt(4)];
        this.oddMemory = random.nextInt(3) * 100;
        this.flagged = new int[]{0, 0, 12, 60}[random.nextInt(4)];
        this.urgent = oneIn(2) ? 0 : 1 + random.nextInt(120);
        this.blocksMax = new int[]{1, 4, 16, 16, 48}[random.nextInt(5)] * (block > 2 ? 1 : 2) / 2 + 1;
        for (int i = 0; i < SUBMITTERS_MAX; i++) {
            lastOperation[i] = Operation.WRITE;
        }
    }

    /** Makes a program. */
    static List<BioStep> program(RandomGenerator random) {
        BioStepGenerator made = new BioStepGenerator(random);
        made.device();
        made.use();
        return made.steps;
    }

    private boolean oneIn(int many) {
        return random.nextInt(many) == 0;
    }

    private boolean chance(int of256) {
        return random.nextInt(256) < of256;
    }

    // ---- the device

    private void device() {
        set(Knob.DEPTH, 1 + random.nextInt(oneIn(3) ? 31 : 7));
        if (oneIn(2)) {
            set(Knob.HARDWARE_QUEUES, 1 + random.nextInt(3));
        }
        if (Setting.of(Knob.DEPTH, steps) > 1) {
            rarely(Knob.RESERVED_TAGS, 8, 1);
        }
        rarely(Knob.READ_QUEUES, 6, 1);
        rarely(Knob.BLOCKING, 8, 1);
        rarely(Knob.HOST_WIDE_TAGS, 8, 1);
        rarely(Knob.ROUND_ROBIN, 8, 1);
        if (!oneIn(6)) {
            set(Knob.MERGE, 1);
        }
        rarely(Knob.NOMERGES, 5, 1 + random.nextInt(2));
        rarely(Knob.ELEVATOR, 2, 1 + random.nextInt(2));
        rarely(Knob.NR_REQUESTS, 6, 4);
        rarely(Knob.REFUSALS, 2, 1 + random.nextInt(40));
        rarely(Knob.REQUEUES, 3, 1 + random.nextInt(40));
        rarely(Knob.ERRORS, 2, 1 + random.nextInt(30));
        rarely(Knob.PARTS, 2, 1 + random.nextInt(100));
        rarely(Knob.LOSSES, 8, 1 + random.nextInt(8));
        rarely(Knob.AT_ONCE, 2, 1 + random.nextInt(256));
        rarely(Knob.WAITS_FOR_THE_BELL, 3, 1);
        rarely(Knob.TAKES_BATCHES, 3, 1);
    }

    private void set(Knob knob, long value) {
        steps.add(new Setting(knob, value));
    }

    private void rarely(Knob knob, int oneIn, long value) {
        if (oneIn(oneIn)) {
            set(knob, value);
        }
    }

    /** Limits that do not contradict each other: what the builder refuses is made anew. */
    private List<Setting> limits(int blockBytes) {
        for (;;) {
            List<Setting> some = new ArrayList<>();
            if (blockBytes > QueueLimits.SECTOR_BYTES) {
                some.add(new Setting(Knob.LOGICAL_BLOCK_BYTES, blockBytes));
            }
            int strictness = 1 + random.nextInt(4);
            for (Knob knob : Knob.values()) {
                long value = random.nextInt(4) < strictness ? limit(knob, blockBytes) : 0;
                if (value != 0) {
                    some.add(new Setting(knob, value));
                }
            }
            try {
                var _ = Setting.limits(some);
                return some.stream().filter(setting -> setting.knob() != Knob.LOGICAL_BLOCK_BYTES).toList();
            } catch (IllegalArgumentException e) {
                // They contradict each other.
            }
        }
    }

    private long limit(Knob knob, int blockBytes) {
        return switch (knob) {
            case PHYSICAL_BLOCK_BYTES, IO_MIN_BYTES -> blockBytes << random.nextInt(4);
            case REQUEST_BYTES_MAX -> blockBytes * (1L + random.nextInt(oneIn(2) ? 8 : 64));
            case SEGMENTS_MAX -> 1 + random.nextInt(8);
            case SEGMENT_BYTES_MAX -> blockBytes * (1L + random.nextInt(16));
            case SEGMENT_BOUNDARY_BYTES -> oneIn(3) ? 4096L << random.nextInt(4) : 0;
            case VIRTUAL_BOUNDARY_BYTES -> oneIn(3) ? 512L << random.nextInt(5) : 0;
            case CHUNK_BYTES -> oneIn(2) ? blockBytes * (1L + random.nextInt(32)) : 0;
            case DMA_ALIGNMENT_BYTES -> 1L << random.nextInt(10);
            case DISCARD_BYTES_MAX, WRITE_ZEROES_BYTES_MAX -> blockBytes * (1L + random.nextInt(48));
            case DISCARD_GRANULARITY_BYTES -> (long) blockBytes << random.nextInt(4);
            case DISCARD_ALIGNMENT_BYTES, ALIGNMENT_OFFSET_BYTES -> (long) blockBytes * random.nextInt(4);
            case DISCARD_RANGES_MAX -> 1 + random.nextInt(4);
            case IO_OPT_BYTES -> (long) blockBytes << random.nextInt(6);
            case ANY_MEMORY -> random.nextInt(2);
            case WRITE_CACHE -> random.nextInt(3);
            default -> 0;
        };
    }

    // ---- its use

    private void use() {
        List<Kind> kinds = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (int i = 0; i < kind.weight; i++) {
                kinds.add(kind);
            }
        }
        int dies = oneIn(30) ? random.nextInt(STEPS_MAX) : -1;
        int count = 4 + random.nextInt(STEPS_MAX - 4);
        for (int i = 0; i < count; i++) {
            int submitter = random.nextInt(submitters);
            if (i == dies) {
                steps.add(new Act(submitter, Kind.DIE, 0));
            } else if (!oneIn(5)) {
                steps.add(io(submitter));
            } else if (oneIn(20)) {
                steps.add(new Relimit(submitter, limits(block * QueueLimits.SECTOR_BYTES).stream()
                        .filter(BioStepGenerator::canChange).toList()));
            } else {
                int number = oneIn(12) ? BioStep.A_LONG_WHILE : 1 + random.nextInt(6);
                steps.add(new Act(submitter, kinds.get(random.nextInt(kinds.size())), number));
            }
        }
    }

    private static boolean canChange(Setting setting) {
        return setting.knob() != Knob.WRITE_CACHE;
    }

    private Io io(int submitter) {
        boolean goesOn = chance(continued);
        Operation operation = goesOn ? lastOperation[submitter] : OPERATIONS[random.nextInt(OPERATIONS.length)];
        if (operation == Operation.FLUSH) {
            return new Io(submitter, operation, 0, 0, List.of(), 0, IoPriority.NONE, WriteLifetime.NOT_SET,
                    chance(plugged), false);
        }
        int sectors = block * (1 + random.nextInt(oneIn(2) ? Math.min(2, blocksMax) : blocksMax));
        int sector = block * random.nextInt((capacity - sectors) / block + 1);
        int behind = lastSector[submitter] + lastSectors[submitter];
        int before = lastSector[submitter] - sectors;
        if (goesOn && behind + sectors <= capacity && (before < 0 || !oneIn(3))) {
            sector = behind;
        } else if (goesOn && before >= 0) {
            sector = before;
        }
        lastOperation[submitter] = operation;
        if (sector == before) {
            // What goes on goes on behind both.
            lastSectors[submitter] += sectors;
            lastSector[submitter] = sector;
        } else if (sector == behind) {
            lastSectors[submitter] += sectors;
        } else {
            lastSector[submitter] = sector;
            lastSectors[submitter] = sectors;
        }
        List<Piece> pieces = operation.hasData() ? pieces(operation, sectors * QueueLimits.SECTOR_BYTES) : List.of();
        return new Io(submitter, operation, sector, sectors, pieces, flags(operation), priority(), lifetime(operation),
                chance(plugged), operation.isWrite() && oneIn(8));
    }

    private int flags(Operation operation) {
        int flags = chance(flagged * 2) ? Bio.NOMERGE : 0;
        flags |= chance(flagged) ? Bio.NOWAIT : 0;
        flags |= chance(flagged * 2) ? Bio.SYNC : 0;
        flags |= chance(oddMemory) && oneIn(2) ? Bio.CALLER_MEMORY : 0;
        if (operation.isWrite()) {
            flags |= chance(flagged) ? Bio.FUA : 0;
            flags |= chance(flagged) ? Bio.PREFLUSH : 0;
        }
        if (operation == Operation.WRITE_ZEROES) {
            flags |= oneIn(2) ? Bio.NOUNMAP : 0;
        }
        return flags;
    }

    private IoPriority priority() {
        if (!chance(urgent)) {
            return IoPriority.NONE;
        }
        IoPriority.IoClass[] classes = IoPriority.IoClass.values();
        return IoPriority.of(classes[random.nextInt(classes.length)], oneIn(2) ? 4 : 0);
    }

    private WriteLifetime lifetime(Operation operation) {
        if (!operation.isWrite() || !chance(urgent)) {
            return WriteLifetime.NOT_SET;
        }
        WriteLifetime[] all = WriteLifetime.values();
        return all[random.nextInt(all.length)];
    }

    /** Memory in one piece, in blocks, or cut anywhere. */
    private List<Piece> pieces(Operation operation, int bytes) {
        List<Piece> pieces = new ArrayList<>();
        int most = oneIn(2) ? bytes : QueueLimits.SECTOR_BYTES * block * (1 + random.nextInt(4));
        boolean odd = chance(oddMemory);
        for (int left = bytes; left > 0;) {
            int length = Math.min(left, most);
            if (odd && pieces.size() < PIECES_MAX - bytes / Math.min(most, bytes) - 2) {
                // In whole units of what the device can take as it is, or any length.
                int unit = oneIn(2) ? Math.min(dmaAlignment, 512) : 1;
                length = Math.min(length, unit * (1 + random.nextInt(Math.max(1, length / unit))));
            }
            pieces.add(piece(operation, length, odd));
            left -= length;
        }
        return List.copyOf(pieces);
    }

    private Piece piece(Operation operation, int length, boolean odd) {
        Memory memory = Memory.POOL;
        if (chance(oddMemory)) {
            Memory[] all = Memory.values();
            // Nothing can be read into memory that is read-only.
            memory = all[random.nextInt(operation == Operation.READ ? all.length - 1 : all.length)];
        }
        int unit = oneIn(2) ? 4096 : 512;
        int offset = 0;
        if (odd && oneIn(2)) {
            offset = oneIn(2) ? dmaAlignment * random.nextInt(4) : random.nextInt(unit);
        }
        return new Piece(memory, unit, offset, length);
    }
}
