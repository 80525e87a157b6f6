package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.mq.BioStep.Io;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.SegmentVisitor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Knows what was asked of a device and what came of it, and says what is wrong. It goes by the rules alone: it sees the bios on the
 * one side and the requests on the other, and nothing of what lies between.
 *
 * <p>Bios that are under way at the same time do not overlap. So each sector belongs to one of them at most, and a request's sectors
 * tell its bios. Each sector of a bio goes NOT_SENT, SENT and back as often as the driver gives it back, and ends DONE or FAILED.
 */
final class BioLedger {
    private static final byte NOT_SENT = 0;
    private static final byte SENT = 1;
    private static final byte DONE = 2;
    private static final byte FAILED = 3;
    private static final int SECTOR = QueueLimits.SECTOR_BYTES;
    /** More than that tell nothing new. */
    private static final int WRONG_MAX = 12;

    /** The bytes that the device has to hold. */
    private final byte[] model;
    /** The bios under way, by sector. */
    private final @Nullable Entry[] owners;
    private final List<Entry> underWay = new ArrayList<>();
    private final List<String> wrong = new ArrayList<>();
    private boolean merging = true;
    private boolean dead;
    private int entries;
    /** What has been seen, to show that programs do what they are meant to. */
    int requests;
    int merged;
    int cut;

    /** A bio under way. */
    final class Entry {
        final Io io;
        private final int number;
        private final QueueLimits limits;
        private final byte[] payload;
        private final List<BioMemory.Place> places;
        private final byte[] sectors;
        /** In which request the driver had each sector last, by number; 0 if it has not had it. */
        private final int[] hadIn;
        /** Where the driver has given back what it had not done. */
        private final BitSet givenBackAt = new BitSet();
        private final Set<Status> errors = EnumSet.noneOf(Status.class);
        private final Set<Status> flushErrors = EnumSet.noneOf(Status.class);
        private @Nullable Status firstError;
        private boolean wasSent;
        private boolean isCut;
        private boolean relimited;
        private boolean unsupported;
        private boolean ended;

        private Entry(Io io, List<BioMemory.Place> places, QueueLimits limits) {
            this.io = io;
            this.number = ++entries;
            this.limits = limits;
            this.places = places;
            this.sectors = new byte[io.sectors()];
            this.hadIn = new int[io.sectors()];
            this.payload = io.operation() == Operation.WRITE ? new byte[(int) io.bytes()] : new byte[0];
            this.unsupported = !isSupported(io.operation(), limits);
            int at = 0;
            for (BioMemory.Place place : places) {
                if (io.operation() == Operation.WRITE) {
                    MemorySegment memory = place.memory();
                    BioMemory.fill(memory, number * 1_000_003L + at);
                    MemorySegment.copy(memory, 0, MemorySegment.ofArray(payload), at, place.piece().bytes());
                }
                at += place.piece().bytes();
            }
        }

        @Override
        public String toString() {
            return "bio " + number + " (" + io + ")";
        }
    }

    BioLedger(int capacitySectors) {
        this.model = new byte[capacitySectors * SECTOR];
        this.owners = new Entry[capacitySectors];
    }

    /** Nothing is to be merged from now on. */
    void expectNoMerges() {
        merging = false;
    }

    List<String> wrong() {
        return wrong;
    }

    boolean isRight() {
        return wrong.isEmpty();
    }

    private void require(boolean holds, String what, @Nullable Object subject) {
        if (!holds && wrong.size() < WRONG_MAX) {
            wrong.add(what + ": " + subject);
        }
    }

    private static boolean isSupported(Operation operation, QueueLimits limits) {
        return switch (operation) {
            case DISCARD -> limits.discardBytesMax() > 0;
            case WRITE_ZEROES -> limits.writeZeroesBytesMax() > 0;
            case READ, WRITE, FLUSH -> true;
        };
    }

    // ---- bios

    boolean isFree(Io io) {
        for (int i = io.sector(); i < io.sector() + io.sectors(); i++) {
            if (owners[i] != null) {
                return false;
            }
        }
        return true;
    }

    /** A bio is about to be submitted, to sectors that are free. */
    Entry begins(Io io, List<BioMemory.Place> places, QueueLimits limits) {
        Entry entry = new Entry(io, places, limits);
        Arrays.fill(owners, io.sector(), io.sector() + io.sectors(), entry);
        underWay.add(entry);
        return entry;
    }

    /** It was refused when it was submitted. */
    void refused(Entry entry) {
        require(!entry.wasSent, "refused, but the driver has seen it", entry);
        leaves(entry);
    }

    private void leaves(Entry entry) {
        entry.ended = true;
        underWay.remove(entry);
        Arrays.fill(owners, entry.io.sector(), entry.io.sector() + entry.io.sectors(), null);
    }

    void ended(Entry entry, Status status) {
        if (entry.ended) {
            require(false, "ended more than once, now with " + status, entry);
            return;
        }
        leaves(entry);
        Io io = entry.io;
        int done = 0;
        for (int i = 0; i < io.sectors(); i++) {
            require(entry.sectors[i] != SENT,
                    "ended with " + status + " while the driver has sector " + (io.sector() + i), entry);
            done += entry.sectors[i] == DONE ? 1 : 0;
        }
        if (status == Status.OK) {
            require(done == io.sectors(), "ended well, but of its " + io.sectors() + " sectors only " + done + " did",
                    entry);
        } else {
            require(mayEnd(entry, status), "ended with " + status + ", which nobody has said: errors " + entry.errors
                    + ", of flushes " + entry.flushErrors + (entry.wasSent ? ", was sent" : ", was not sent"), entry);
        }
        checkMemory(entry, status);
        settle(entry);
    }

    private boolean mayEnd(Entry entry, Status status) {
        if (entry.errors.contains(status)) {
            // Parts may be told in another order than they ended.
            return entry.isCut || status == entry.firstError;
        }
        return entry.flushErrors.contains(status) || (status == Status.NODEV && dead)
                || (status == Status.NOTSUPP && entry.unsupported)
                || (status == Status.AGAIN && entry.io.has(Bio.NOWAIT) && !entry.wasSent);
    }

    private void checkMemory(Entry entry, Status status) {
        int at = entry.io.sector() * SECTOR;
        int from = at;
        for (BioMemory.Place place : entry.places) {
            int bytes = place.piece().bytes();
            require(BioMemory.isGuarded(place), "memory beside a piece was written to", entry);
            if (entry.io.operation() == Operation.WRITE) {
                require(MemorySegment.mismatch(MemorySegment.ofArray(entry.payload), at - from, at - from + bytes,
                        place.range(), place.offset(), place.offset() + bytes) < 0, "memory of a write was changed",
                        entry);
                // Whoever looks at it from now on finds something else.
                place.memory().fill((byte) 0xdd);
            } else if (status == Status.OK) {
                long differs = MemorySegment.mismatch(MemorySegment.ofArray(model), at, at + bytes, place.range(),
                        place.offset(), place.offset() + bytes);
                require(differs < 0, "read something else at byte " + (at + differs), entry);
            }
            at += bytes;
        }
    }

    /** What was done is what the device has to hold now. */
    private void settle(Entry entry) {
        Io io = entry.io;
        for (int i = 0; i < io.sectors(); i++) {
            int at = (io.sector() + i) * SECTOR;
            if (entry.sectors[i] == DONE && io.operation() == Operation.WRITE) {
                System.arraycopy(entry.payload, i * SECTOR, model, at, SECTOR);
            } else if (entry.sectors[i] == DONE && io.operation() != Operation.READ) {
                Arrays.fill(model, at, at + SECTOR, (byte) 0);
            }
        }
    }

    /** The device is gone: what has not been sent ends so. */
    void dies() {
        dead = true;
    }

    boolean isDead() {
        return dead;
    }

    /** The limits are others from now on. */
    void relimited(QueueLimits now) {
        for (Entry entry : underWay) {
            entry.relimited = true;
            entry.unsupported |= !isSupported(entry.io.operation(), now);
        }
    }

    /** All has ended. */
    void requireAllEnded(byte[] device) {
        require(underWay.isEmpty(), "never ended", underWay);
        int differs = Arrays.mismatch(model, device);
        require(differs < 0, "the device holds something else than was written at byte", differs);
    }

    // ---- requests

    /** The driver is given a request. */
    void received(Request rq) {
        requests++;
        QueueLimits limits = rq.queue().limits();
        if (rq.operation() == Operation.FLUSH) {
            require(limits.hasWriteCache(), "a flush of a device without a cache", rq);
            require(rq.bytes() == 0 && rq.segmentCount() == 0, "a flush with data", rq);
            return;
        }
        long end = rq.sector() + rq.bytes() / SECTOR;
        if (rq.bytes() <= 0 || rq.sector() < 0 || end > owners.length) {
            require(false, "no range of the device", rq);
            return;
        }
        require((rq.sector() * SECTOR | rq.bytes()) % limits.logicalBlockBytes() == 0,
                "not in blocks of " + limits.logicalBlockBytes(), rq);
        checkRange(rq, limits);
        List<Entry> bios = biosOf(rq);
        for (int i = 0; i < bios.size(); i++) {
            checkBio(rq, bios.get(i), bios.size(), limits);
        }
        require(rq.operation() != Operation.DISCARD || bios.size() <= limits.discardRangesMax(),
                bios.size() + " ranges, more than " + limits.discardRangesMax(), rq);
        if (!bios.isEmpty()) {
            checkCuts(rq, bios.getFirst(), bios.getLast(), limits);
        }
        new SegmentCheck(rq, limits).check();
    }

    /** Whose sectors they are, each once. */
    private List<Entry> biosOf(Request rq) {
        List<Entry> bios = new ArrayList<>();
        int end = (int) (rq.sector() + rq.bytes() / SECTOR);
        int before = 0;
        boolean together = true;
        for (int i = (int) rq.sector(); i < end; i++) {
            Entry owner = owners[i];
            if (owner == null) {
                require(false, "sector " + i + " is no bio's that is under way", rq);
                return List.of();
            }
            if (bios.isEmpty() || bios.getLast() != owner) {
                bios.add(owner);
            }
            int within = i - owner.io.sector();
            require(owner.sectors[within] == NOT_SENT, "sector " + i + " of " + owner + " comes again, and is "
                    + (owner.sectors[within] == SENT ? "with the driver" : "done"), rq);
            owner.sectors[within] = SENT;
            owner.wasSent = true;
            together &= i == rq.sector() || owner.hadIn[within] == before;
            before = owner.hadIn[within];
            owner.hadIn[within] = requests;
        }
        require(together, "joins what the driver has had before with what it has not, or not with it", rq);
        merged += bios.size() > 1 ? 1 : 0;
        return bios;
    }

    private void checkBio(Request rq, Entry bio, int count, QueueLimits limits) {
        Io io = bio.io;
        require(rq.operation() == io.operation(), "another operation than that of " + bio, rq);
        require(rq.priority().equals(io.priority()), "another priority than that of " + bio, rq);
        require(rq.lifetime() == io.lifetime(), "another lifetime than that of " + bio, rq);
        int flags = io.flags()
                & (Bio.NOUNMAP | Bio.SYNC | (limits.hasFua() && io.operation() == Operation.WRITE ? Bio.FUA : 0));
        require(rq.flags() == flags, "flags 0x" + Integer.toHexString(rq.flags()) + " and not those of " + bio, rq);
        if (count > 1) {
            require(merging, count + " bios, where nothing is to be merged", rq);
            // Without a cache the other two mean nothing.
            int alone = Bio.NOMERGE | (limits.hasWriteCache() ? Bio.PREFLUSH | Bio.FUA : 0);
            require(!io.has(alone), "merged with another, but may not be: " + bio, rq);
        }
    }

    private void checkRange(Request rq, QueueLimits limits) {
        long start = rq.sector() * SECTOR;
        long most = switch (rq.operation()) {
            case READ, WRITE -> limits.requestBytesMax();
            case DISCARD -> limits.discardBytesMax();
            case WRITE_ZEROES -> limits.writeZeroesBytesMax();
            case FLUSH -> 0;
        };
        require(rq.bytes() <= most, "longer than " + most + " bytes", rq);
        long chunk = limits.chunkBytes();
        require(chunk == 0 || rq.operation() == Operation.DISCARD || start / chunk == (start + rq.bytes() - 1) / chunk,
                "crosses a multiple of " + chunk, rq);
    }

    /** Where a request begins or ends within a bio, that has been cut there. */
    private void checkCuts(Request rq, Entry first, Entry last, QueueLimits limits) {
        int begin = (int) rq.sector();
        int end = begin + (int) (rq.bytes() / SECTOR);
        if (begin != first.io.sector() && !first.givenBackAt.get(begin - first.io.sector())) {
            isCut(rq, first);
        }
        if (end == last.io.sector() + last.io.sectors()) {
            return;
        }
        isCut(rq, last);
        long at = (long) end * SECTOR;
        if (rq.operation() == Operation.DISCARD) {
            require((at - limits.discardAlignmentBytes()) % limits.discardGranularityBytes() == 0,
                    "a discard cut at " + at + ", which is no unit of " + limits.discardGranularityBytes() + " from "
                            + limits.discardAlignmentBytes(),
                    rq);
        }
    }

    private void isCut(Request rq, Entry bio) {
        cut += bio.isCut ? 0 : 1;
        bio.isCut = true;
        require(bio.relimited || mayBeCut(bio), "a part of a bio that no limit cuts: " + bio, rq);
        require(!bio.io.has(Bio.NOWAIT), "a part of a bio that does not wait: " + bio, rq);
    }

    /** Whether any of the limits that the bio came in by may have been in its way. */
    private static boolean mayBeCut(Entry bio) {
        Io io = bio.io;
        QueueLimits limits = bio.limits;
        long start = (long) io.sector() * SECTOR;
        long chunk = limits.chunkBytes();
        boolean crosses = chunk != 0 && start / chunk != (start + io.bytes() - 1) / chunk;
        return switch (io.operation()) {
            case READ,
                    WRITE ->
                crosses || io.bytes() > limits.requestBytesMax() || io.pieces().size() > limits.segmentsMax()
                        || limits.hasMemoryBoundaries()
                        || io.pieces().stream().anyMatch(piece -> piece.bytes() > limits.segmentBytesMax());
            case DISCARD -> io.bytes() > limits.discardBytesMax();
            case WRITE_ZEROES -> crosses || io.bytes() > limits.writeZeroesBytesMax();
            case FLUSH -> false;
        };
    }

    /** The pieces of memory of a request, one after the other. */
    private final class SegmentCheck implements SegmentVisitor {
        private final Request rq;
        private final QueueLimits limits;
        private int count;
        private long bytesSeen;
        private long endAddress;

        SegmentCheck(Request rq, QueueLimits limits) {
            this.rq = rq;
            this.limits = limits;
        }

        void check() {
            rq.forEachSegment(this);
            boolean data = rq.operation().hasData();
            require(bytesSeen == (data ? rq.bytes() : 0), "segments of " + bytesSeen + " bytes in all", rq);
            require(count == rq.segmentCount(), count + " segments, where " + rq.segmentCount() + " were announced",
                    rq);
            require(count <= limits.segmentsMax(), count + " segments, more than " + limits.segmentsMax(), rq);
        }

        @Override
        public void segment(MemorySegment memory, long offset, int bytes) {
            require(bytes > 0 && bytes <= limits.segmentBytesMax(),
                    "a segment of " + bytes + " bytes, the most is " + limits.segmentBytesMax(), rq);
            if (!limits.takesAnyMemory()) {
                require(memory.isNative(), "a segment on the heap", rq);
                checkAddress(memory.address() + offset, bytes);
            }
            count++;
            bytesSeen += bytes;
        }

        private void checkAddress(long address, int bytes) {
            require(((address | bytes) & (limits.dmaAlignmentBytes() - 1)) == 0, "a segment of " + bytes + " bytes at "
                    + Long.toHexString(address) + " is not aligned to " + limits.dmaAlignmentBytes(), rq);
            long boundary = limits.segmentBoundaryBytes();
            require(boundary == 0 || address / boundary == (address + bytes - 1) / boundary, "a segment of " + bytes
                    + " bytes at " + Long.toHexString(address) + " crosses a multiple of " + boundary, rq);
            int virtual = limits.virtualBoundaryBytes();
            require(virtual == 0 || count == 0 || (endAddress % virtual == 0 && address % virtual == 0),
                    "segments meet at " + Long.toHexString(endAddress) + " and " + Long.toHexString(address)
                            + ", off the virtual boundary of " + virtual,
                    rq);
            endAddress = address + bytes;
        }
    }

    /** The driver writes bytes: they have to be those of the bio. */
    void written(Request rq, byte[] device, int from, int to) {
        for (int at = from; at < to;) {
            Entry owner = owners[at / SECTOR];
            if (owner == null || owner.io.operation() != Operation.WRITE) {
                return;
            }
            int start = owner.io.sector() * SECTOR;
            int end = Math.min(to, start + (int) owner.io.bytes());
            int differs = Arrays.mismatch(device, at, end, owner.payload, at - start, end - start);
            require(differs < 0, "brings other bytes than " + owner + " from " + (at + differs) + " on", rq);
            at = end;
        }
    }

    /** The driver has carried out the first bytes of a request, well or badly. */
    void carriedOut(Request rq, long bytes, Status status) {
        if (rq.operation() == Operation.FLUSH) {
            if (status != Status.OK) {
                underWay.stream().filter(entry -> entry.io.isDurable()).forEach(entry -> entry.flushErrors.add(status));
            }
            return;
        }
        for (int i = (int) rq.sector(); i < rq.sector() + bytes / SECTOR; i++) {
            Entry owner = owners[i];
            if (owner == null) {
                require(false, "sector " + i + " was carried out after its bio had ended", rq);
                return;
            }
            int within = i - owner.io.sector();
            require(owner.sectors[within] == SENT, "sector " + i + " was carried out twice, of " + owner, rq);
            owner.sectors[within] = status == Status.OK ? DONE : FAILED;
            if (status != Status.OK) {
                owner.errors.add(status);
                owner.firstError = owner.firstError == null ? status : owner.firstError;
            }
        }
    }

    /** Something that the driver asked of a request has thrown. */
    void threw(Request rq, RuntimeException thrown) {
        require(false, thrown + " at " + thrown.getStackTrace()[0], rq);
    }

    /** A request is over its time, and the driver has not begun it. */
    void neverBegan(Request rq) {
        require(false, "waits for a bell that nobody has rung", rq);
    }

    /** The driver gives back what is left of a request. */
    void givenBack(Request rq) {
        if (rq.operation() == Operation.FLUSH) {
            return;
        }
        for (int i = (int) rq.sector(); i < rq.sector() + rq.bytes() / SECTOR; i++) {
            Entry owner = owners[i];
            if (owner != null) {
                owner.sectors[i - owner.io.sector()] = NOT_SENT;
            }
        }
        Entry first = owners[(int) rq.sector()];
        if (first != null) {
            first.givenBackAt.set((int) rq.sector() - first.io.sector());
        }
    }
}
