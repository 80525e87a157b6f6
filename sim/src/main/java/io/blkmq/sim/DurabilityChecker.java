package io.blkmq.sim;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Decides what a device with a volatile cache is sure to have on stable media, and whether that covers what was acknowledged. A test
 * tells it what submitters ask and are told, and what the driver is given and has done; it says when a promise is broken.
 *
 * <pre>
 *   submitter   write, flush ──▶ (submit) ──▶ ... ──▶ ended
 *   driver      received ──▶ written                  flushBegins ──▶ flushed | flushFailed
 * </pre>
 *
 * <p><b>The device.</b> What is {@link #written} goes to its cache, and is stable once a flush has ended well that began after that; at
 * once if it was written with FUA, or while there is no cache. A failed flush makes nothing stable. What was in the cache then stays
 * there for the next flush, or is gone for good, as a file's dirty pages are ({@link #losesWhatFailsToFlush}); who writes it once more, and
 * flushes, has repaired that.
 *
 * <p><b>The promises.</b>
 * <ul>
 * <li>A write that ends well was written, all of it.
 * <li>A flush that ends well covers every write that had ended well before the flush was submitted: these are stable.
 * <li>Before anything of a PREFLUSH write reaches the device, every write that had ended well before it was submitted is stable. So
 * the PREFLUSH write cannot survive a power cut without them.
 * <li>A FUA write that ends well is stable.
 * <li>A bio that ends with an error promises nothing, and a device without FUA is never given it.
 * </ul>
 *
 * <p><b>Every power cut at once.</b> A promise begins at an end, or when data is received, and is checked there. What is stable stays
 * stable. So a promise that holds when it begins holds at each later moment, and a run without a violation has none for any moment at
 * which the power might have failed. {@link #powerCut} lets it fail in earnest: the cache is empty, and what had not been promised may
 * be gone.
 *
 * <p>Operations that write are writes here, whatever they write: also discards. Two that overlap are not submitted at the same time,
 * since nobody could say which of them the device holds. Each call is made before what it tells of has an effect: {@code written} before
 * the request completes, {@code write} before the submission. Thread-safe.
 *
 * @since 0.1.0
 */
public final class DurabilityChecker {
    private final List<String> violations = new ArrayList<>();
    /** The last write of each place, by its first sector. */
    private final TreeMap<Long, Submission> writes = new TreeMap<>();
    /** What is in the cache, in the order in which it came there. */
    private final ArrayDeque<Piece> cache = new ArrayDeque<>();
    /** How many pieces have ever come to the cache. */
    private long cached;
    /** Writes that have ended well, in that order, from the first one on that is not stable. */
    private final ArrayDeque<Submission> acknowledged = new ArrayDeque<>();
    /** How many stand before those: all of them are stable. */
    private long stableAcknowledged;
    /** In {@link #losing}: writes, ended and not stable, of whose places a later write was submitted. */
    private final List<Submission> overwritten = new ArrayList<>();
    /** How many of those that ended first a flush has promised. */
    private long promised;
    private boolean hasCache;
    private boolean hasFua;
    private boolean losing;
    private int powerCuts;

    /** What a submitter has asked. */
    public static final class Submission {
        private final String text;
        private final long sector;
        private final long sectors;
        private final boolean preflush;
        private final boolean fua;
        private final int powerCuts;
        /** How many writes had ended well before it. */
        private final long covers;
        private final Sectors written = new Sectors();
        private final Sectors stable = new Sectors();
        private boolean over;

        private Submission(String text, long sector, long sectors, boolean preflush, boolean fua, int powerCuts,
                long covers) {
            this.text = text;
            this.sector = sector;
            this.sectors = sectors;
            this.preflush = preflush;
            this.fua = fua;
            this.powerCuts = powerCuts;
            this.covers = covers;
        }

        private boolean isStable() {
            return stable.count >= sectors;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /** Some sectors. A driver may write one again, after a time-out or on another path: it counts once. */
    private static final class Sectors {
        /** The sector behind each range, by its first. No two ranges touch. */
        private final TreeMap<Long, Long> ends = new TreeMap<>();
        private long count;

        void add(long sector, long sectors) {
            long from = sector;
            long to = sector + sectors;
            Map.Entry<Long, Long> other = ends.floorEntry(to);
            while (other != null && other.getValue() >= from) {
                from = Math.min(from, other.getKey());
                to = Math.max(to, other.getValue());
                count -= other.getValue() - other.getKey();
                ends.remove(other.getKey());
                other = ends.floorEntry(to);
            }
            ends.put(from, to);
            count += to - from;
        }
    }

    /** A part of a write that has come to the cache as one. */
    private record Piece(Submission write, long sector, long sectors, long number) {}

    /**
     * A device on which nothing was written.
     *
     * @param cache whether it has a volatile cache
     * @param fua whether it can write through that
     */
    public DurabilityChecker(boolean cache, boolean fua) {
        this.hasCache = cache;
        this.hasFua = fua;
    }

    /**
     * Makes it a device whose failed flushes lose what they were to make stable.
     *
     * @return this
     */
    public synchronized DurabilityChecker losesWhatFailsToFlush() {
        losing = true;
        return this;
    }

    /**
     * Turns the cache on or off. A device that turns it off makes what is in it stable first.
     *
     * @param cache whether it has a volatile cache
     * @param fua whether it can write through that
     */
    public synchronized void useCache(boolean cache, boolean fua) {
        if (!cache) {
            makeStable(cached);
        }
        hasCache = cache;
        hasFua = fua;
    }

    // ---- what submitters ask, and are told

    /**
     * A write is about to be submitted.
     *
     * @param sector its first
     * @param sectors how many, at least 1
     * @param preflush whether it is to come after all that ended before it
     * @param fua whether it is to be stable at its end
     * @return for {@link #ended}
     * @throws IllegalArgumentException if another write of some of these sectors has not ended
     */
    public synchronized Submission write(long sector, long sectors, boolean preflush, boolean fua) {
        String text = "write of sectors " + sector + " to " + (sector + sectors - 1) + (preflush ? ", PREFLUSH" : "")
                + (fua ? ", FUA" : "");
        Submission write = new Submission(text, sector, sectors, preflush, fua, powerCuts, ended());
        Map.Entry<Long, Submission> other = writes.lowerEntry(sector + sectors);
        while (other != null && other.getKey() + other.getValue().sectors > sector) {
            if (!other.getValue().over) {
                throw new IllegalArgumentException(write + " overlaps a " + other.getValue() + " that has not ended");
            }
            writes.remove(other.getKey());
            if (losing && !other.getValue().isStable()) {
                overwritten.add(other.getValue());
            }
            other = writes.lowerEntry(sector + sectors);
        }
        writes.put(sector, write);
        return write;
    }

    /**
     * A flush is about to be submitted.
     *
     * @return for {@link #ended}
     */
    public synchronized Submission flush() {
        return new Submission("flush", 0, 0, true, false, powerCuts, ended());
    }

    /** How many writes have ended well. */
    private long ended() {
        return stableAcknowledged + acknowledged.size();
    }

    /**
     * A submitter has been told how it ended.
     *
     * @param submission what
     * @param well whether without an error
     */
    public synchronized void ended(Submission submission, boolean well) {
        submission.over = true;
        if (!well || submission.powerCuts != powerCuts) {
            // Also if the power failed in between: nobody was told.
            return;
        }
        if (submission.preflush) {
            requireCovered(submission, "ended");
            promised = Math.max(promised, submission.covers);
        }
        if (submission.sectors == 0) {
            return;
        }
        if (submission.written.count < submission.sectors) {
            violations.add("a " + submission + " ended well, but the device has written " + submission.written.count
                    + " of its sectors");
        }
        if (submission.fua && !submission.isStable()) {
            violations.add(
                    "a " + submission + " ended well, but " + submission.stable.count + " of its sectors are stable");
        }
        acknowledged.addLast(submission);
        dropStable();
    }

    private void requireCovered(Submission submission, String when) {
        if (stableAcknowledged < submission.covers) {
            violations.add("a " + submission + " " + when + ", but a " + acknowledged.getFirst()
                    + " that ended before it was submitted is not stable");
        }
    }

    private void dropStable() {
        while (!acknowledged.isEmpty() && acknowledged.getFirst().isStable()) {
            acknowledged.removeFirst();
            stableAcknowledged++;
        }
    }

    // ---- what the driver is given, and has done

    /**
     * The driver has been given a part of a write, and what it writes may be on stable media from now on.
     *
     * @param sector its first
     * @param sectors how many
     * @param fua whether it was given with FUA
     * @throws IllegalArgumentException if it is in no write that was submitted
     */
    public synchronized void received(long sector, long sectors, boolean fua) {
        Submission write = writeOf(sector, sectors);
        if (write.preflush && write.powerCuts == powerCuts && hasCache) {
            requireCovered(write, "was given to the driver");
        }
        if (fua && !hasFua) {
            violations.add("a " + write + " was given to the driver with FUA, which the device does not have");
        }
    }

    /**
     * The device has written a part of a write, and the request is about to complete.
     *
     * @param sector its first
     * @param sectors how many
     * @param fua whether through the cache
     * @throws IllegalArgumentException if it is in no write that was submitted
     */
    public synchronized void written(long sector, long sectors, boolean fua) {
        Submission write = writeOf(sector, sectors);
        write.written.add(sector, sectors);
        if (hasCache && !fua) {
            cache.addLast(new Piece(write, sector, sectors, cached++));
        } else {
            settle(write, sector, sectors);
            dropStable();
        }
    }

    /** A part of a write is stable, and what was there before is not asked for any more. */
    private void settle(Submission write, long sector, long sectors) {
        write.stable.add(sector, sectors);
        for (Iterator<Submission> each = overwritten.iterator(); each.hasNext();) {
            Submission before = each.next();
            if (before == write) {
                // Those behind it are later ones, or of other places.
                break;
            }
            long from = Math.max(sector, before.sector);
            long to = Math.min(sector + sectors, before.sector + before.sectors);
            if (from < to) {
                before.stable.add(from, to - from);
            }
            if (before.isStable()) {
                each.remove();
            }
        }
    }

    private Submission writeOf(long sector, long sectors) {
        Map.Entry<Long, Submission> found = writes.floorEntry(sector);
        if (found == null || found.getKey() + found.getValue().sectors < sector + sectors) {
            throw new IllegalArgumentException("sectors " + sector + " to " + (sector + sectors - 1)
                    + " are no part of a write that was submitted");
        }
        return found.getValue();
    }

    /**
     * The device begins to flush.
     *
     * @return for the end of this flush
     */
    public synchronized long flushBegins() {
        return cached;
    }

    /**
     * A flush has ended well, and its request is about to complete.
     *
     * @param begun from {@link #flushBegins}
     */
    public synchronized void flushed(long begun) {
        makeStable(begun);
    }

    /**
     * A flush has failed, and its request is about to complete.
     *
     * @param begun from {@link #flushBegins}
     */
    public synchronized void flushFailed(long begun) {
        while (losing && !cache.isEmpty() && cache.getFirst().number < begun) {
            cache.removeFirst();
        }
    }

    private void makeStable(long before) {
        while (!cache.isEmpty() && cache.getFirst().number < before) {
            Piece piece = cache.removeFirst();
            settle(piece.write, piece.sector, piece.sectors);
        }
        dropStable();
    }

    /**
     * The power fails, and comes back: what is in the cache is gone, and what is under way has not happened.
     *
     * @return how many writes are gone that had ended well, and of which nobody had been promised more
     */
    public synchronized int powerCut() {
        if (stableAcknowledged < promised) {
            violations.add("the power has failed, and a " + acknowledged.getFirst()
                    + " is gone, which a flush or a PREFLUSH write had covered");
        }
        int lost = 0;
        for (Submission write : acknowledged) {
            if (!write.isStable()) {
                lost++;
                if (write.fua) {
                    violations.add("the power has failed, and a " + write + " that had ended well is gone");
                }
            }
        }
        powerCuts++;
        cache.clear();
        acknowledged.clear();
        overwritten.clear();
        stableAcknowledged = 0;
        promised = 0;
        writes.values().forEach(write -> write.over = true);
        return lost;
    }

    /**
     * Whether a write is sure to be on stable media.
     *
     * @param write from {@link #write}
     * @return whether a power cut now would leave it there, all of it but what was written over meanwhile
     */
    public synchronized boolean isStable(Submission write) {
        return write.isStable();
    }

    // ---- what came of it

    /**
     * The promises that were broken.
     *
     * @return in the order in which that was found
     */
    public synchronized List<String> violations() {
        return List.copyOf(violations);
    }

    /**
     * Fails if a promise was broken.
     *
     * @throws AssertionError naming all that were
     */
    public synchronized void check() {
        if (!violations.isEmpty()) {
            throw new AssertionError("promises of durability were broken:\n  " + String.join("\n  ", violations));
        }
    }
}
