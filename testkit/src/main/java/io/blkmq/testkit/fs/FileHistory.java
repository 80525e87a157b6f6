package io.blkmq.testkit.fs;

import io.blkmq.testkit.crash.History;
import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Reads the changes of a file tree as the history of effects that a {@link FileSystemModel} makes of them.
 *
 * <p>In all models two effects on one place are ordered: on a name in a directory, on a unit of a file's data, on a file's size. Beyond that
 * <ul>
 * <li>POSIX orders nothing. A sync of a file makes its data and its size durable, a sync of a directory the entries in it.
 * <li>The file systems with a journal order changes of names, truncations and holes: each requires the one before. A sync makes durable what
 * it is asked for, and the journal up to the last change of that inode.
 * <li>KILL orders everything, and all but the last event is durable.
 * </ul>
 *
 * <p>For one thread.
 */
final class FileHistory {
    /** A write is torn into so many parts at the most, so that a large one does not drown the others. */
    private static final int PARTS_MAX = 16;
    private static final int NONE = -1;

    private record Place(long directory, String name) {}

    /** An inode, while changes are read. */
    private static final class Node {
        /** The effect that gave it its first name. */
        int created = NONE;
        /** The last effect on its size. */
        int size = NONE;
        /** The last effect that took data away, anywhere. */
        int cut = NONE;
        /** Its last effect in the journal, and the last of those that fdatasync waits for. */
        int touched = NONE;
        int touchedData = NONE;
        /** Effects on its data and size, and on a directory's entries, since its last sync. */
        final List<Integer> unsynced = new ArrayList<>();
        /** The last effect on each unit of its data. */
        final NavigableMap<Long, Integer> units = new TreeMap<>();
        /** Of these, the ones on units with which the file's size on the medium has grown, and not been set since. */
        final NavigableMap<Long, Integer> grown = new TreeMap<>();
        /** The growths of the file's size that are effects by themselves, and are not synced. */
        final List<Integer> growths = new ArrayList<>();
        /** What was written to a unit before a truncation cut within it. */
        final List<Integer> trimmed = new ArrayList<>();
        /** Where units begin on which some cut was the last one, or none: that cut, or {@link #NONE}. Data of these units comes after it. */
        final NavigableMap<Long, Integer> cuts = new TreeMap<>();
        /** The largest size that the file had since its last sync, before the last change. */
        long reached;
        /** Its size at the last sync or truncation; below 0 before the first change after a sync. */
        long least = NONE;

        void comesFrom(long size) {
            reached = Math.max(reached, size);
            least = least < 0 ? size : least;
        }

        /** The cut that data of a unit comes after. */
        int cutOf(long unit) {
            Map.Entry<Long, Integer> found = cuts.floorEntry(unit);
            return found == null ? NONE : found.getValue();
        }

        void cutAway(long from, long until, int effect) {
            int after = cutOf(until);
            cuts.subMap(from, true, until, false).clear();
            cuts.put(from, effect);
            cuts.putIfAbsent(until, after);
        }
    }

    private final FileSystemModel model;
    private final History.Builder history = History.builder();
    private final List<FileEffect> effects = new ArrayList<>();
    private final Map<Long, Node> nodes = new HashMap<>();
    private final Map<Place, Integer> places = new HashMap<>();
    /** The last effect in the journal. */
    private int journal = NONE;
    /** How many effects earlier events have had. */
    private int before;

    private FileHistory(FileSystemModel model) {
        this.model = model;
    }

    /**
     * Reads changes.
     *
     * @param model how a crash treats them
     * @param before the tree before them; it is not changed
     * @param changes in their order
     * @return what may happen to them in a crash
     */
    static FileCrashes read(FileSystemModel model, FileTree before, List<Change> changes) {
        FileHistory reader = new FileHistory(model);
        for (Change change : changes) {
            reader.history.event();
            reader.settleEarlier();
            reader.read(change);
        }
        return new FileCrashes(reader.history.build(), new FileMedium(before, changes, reader.effects));
    }

    /** What survives a kill is all that earlier calls have done. */
    private void settleEarlier() {
        if (model.isWhole()) {
            for (; before < effects.size(); before++) {
                history.durable(before);
            }
        }
    }

    private void read(Change change) {
        switch (change) {
            case Change.Create c -> {
                int effect = entry(c.directory(), c.name(), c.inode());
                node(c.inode()).created = effect;
                node(c.inode()).touchedData = effect;
            }
            case Change.Link c -> entry(c.directory(), c.name(), c.inode());
            case Change.Unlink c -> {
                int effect = named(new FileEffect.NoEntry(c.directory(), c.name()), new Place(c.directory(), c.name()));
                touch(c.inode(), effect);
            }
            case Change.Rename c -> rename(c);
            case Change.Exchange c -> exchange(c);
            case Change.Write c -> write(c);
            case Change.Truncate c -> truncate(c);
            case Change.Punch c -> punch(c);
            case Change.Sync c -> sync(node(c.inode()), c.dataOnly());
            case Change.SyncAll _ -> {
                for (int effect = 0; effect < effects.size(); effect++) {
                    history.durable(effect);
                }
                nodes.values().forEach(FileHistory::settled);
            }
            case Change.Acknowledge _ -> history.acknowledged();
        }
    }

    private Node node(long inode) {
        return nodes.computeIfAbsent(inode, _ -> new Node());
    }

    private void touch(long inode, int effect) {
        node(inode).touched = effect;
    }

    private int entry(long directory, String name, long inode) {
        int effect = named(new FileEffect.Entry(directory, name, inode), new Place(directory, name));
        touch(inode, effect);
        return effect;
    }

    private void rename(Change.Rename c) {
        Place from = new Place(c.fromDirectory(), c.fromName());
        Place to = new Place(c.toDirectory(), c.toName());
        if (!model.hasJournal() && !model.isWhole() && c.fromDirectory() != c.toDirectory()) {
            // Two directories are two places on the medium: the name may come to be in both, or in neither.
            named(new FileEffect.Entry(c.toDirectory(), c.toName(), c.inode()), to);
            named(new FileEffect.NoEntry(c.fromDirectory(), c.fromName()), from);
            return;
        }
        int[] data = c.replaced() != 0 && model.keepsDataOfReplacing() ? unsyncedOf(c.inode()) : new int[0];
        int effect = named(new FileEffect.Move(c.fromDirectory(), c.fromName(), c.toDirectory(), c.toName(), c.inode()),
                data, from, to);
        touch(c.inode(), effect);
        if (c.replaced() != 0) {
            touch(c.replaced(), effect);
        }
    }

    private int[] unsyncedOf(long inode) {
        return node(inode).unsynced.stream().mapToInt(Integer::intValue).toArray();
    }

    private void exchange(Change.Exchange c) {
        int effect = named(
                new FileEffect.Swap(c.oneDirectory(), c.oneName(), c.one(), c.otherDirectory(), c.otherName(),
                        c.other()),
                new Place(c.oneDirectory(), c.oneName()), new Place(c.otherDirectory(), c.otherName()));
        touch(c.one(), effect);
        touch(c.other(), effect);
    }

    private int named(FileEffect what, Place... at) {
        return named(what, new int[0], at);
    }

    /** An effect on names: of one or two directories. */
    private int named(FileEffect what, int[] required, Place... at) {
        int[] all = Arrays.copyOf(required, required.length + at.length);
        for (int i = 0; i < at.length; i++) {
            all[required.length + i] = places.getOrDefault(at[i], NONE);
        }
        int effect = journaled(what, all);
        for (Place place : at) {
            places.put(place, effect);
            Node directory = node(place.directory);
            directory.touched = effect;
            directory.touchedData = effect;
            directory.unsynced.add(effect);
        }
        return effect;
    }

    /** An effect that goes through the journal, where there is one. */
    private int journaled(FileEffect what, int... required) {
        int[] all = Arrays.copyOf(required, required.length + 1);
        all[required.length] = journal;
        int effect = add(what, all);
        if (model.hasJournal()) {
            journal = effect;
        }
        return effect;
    }

    private int add(FileEffect what, int... required) {
        int[] all = required;
        if (model.isWhole() && !effects.isEmpty()) {
            all = Arrays.copyOf(required, required.length + 1);
            all[required.length] = effects.size() - 1;
        }
        effects.add(what);
        return history.effect(all);
    }

    private void write(Change.Write c) {
        Node node = node(c.inode());
        node.comesFrom(c.sizeBefore());
        long end = c.offset() + c.data().length;
        int size = NONE;
        if (end > c.sizeBefore() && !model.sizeFollowsData()) {
            // The new size goes to the journal when the data is written back, and so after all that is in it now; what comes later need not wait.
            size = add(new FileEffect.Size(c.inode(), end),
                    joined(node.trimmed, node.size, made(node), node.cut, journal));
            node.trimmed.clear();
            node.size = size;
            node.unsynced.add(size);
            node.touched = size;
            node.touchedData = size;
        }
        long part = partBytes(c.data().length);
        for (long begin = c.offset(); begin < end;) {
            long next = Math.min(end, (begin / part + 1) * part);
            data(c, node, begin, (int) (next - begin), size);
            begin = next;
        }
    }

    /** Data comes to the medium after the inode that it belongs to; where there is no journal, nobody says so. */
    private int made(Node node) {
        return model.hasJournal() ? node.created : NONE;
    }

    /** The size of a part: units, and as many of them as keep the parts few. */
    private long partBytes(int length) {
        long units = Math.ceilDiv(length / PARTS_MAX, model.unitBytes());
        return Math.max(1, units) * model.unitBytes();
    }

    private void data(Change.Write c, Node node, long offset, int length, int size) {
        long firstUnit = offset / model.unitBytes();
        long lastUnit = (offset + length - 1) / model.unitBytes();
        // A unit that lies beyond all sizes that the file had is not seen without the new one. Any other one can be: its data does not wait.
        boolean isBeyond = firstUnit * model.unitBytes() >= node.reached;
        boolean follows = model.sizeFollowsData() && offset + length > c.sizeBefore();
        boolean grows = follows && (isBeyond || !model.hasJournal());
        List<Integer> required = new ArrayList<>(node.units.subMap(firstUnit, true, lastUnit, true).values());
        required.add(node.cutOf(firstUnit));
        required.addAll(node.cuts.subMap(firstUnit, false, lastUnit, true).values());
        if (grows) {
            // Each that grows the file: it may survive without those before it.
            required.addAll(node.trimmed);
        }
        int effect = add(new FileEffect.Data(c.inode(), offset, c.data(), (int) (offset - c.offset()), length, grows),
                joined(required, made(node), isBeyond ? size : NONE, grows ? journal : NONE));
        for (long unit = firstUnit; unit <= lastUnit; unit++) {
            node.units.put(unit, effect);
            if (grows || node.grown.containsKey(unit)) {
                node.grown.put(unit, effect);
            }
        }
        node.unsynced.add(effect);
        int last = effect;
        if (follows && !grows) {
            last = add(new FileEffect.Growth(c.inode(), offset + length, node.least),
                    joined(node.trimmed, effect, journal));
            node.growths.add(last);
            node.unsynced.add(last);
        }
        if (follows) {
            node.touched = last;
            node.touchedData = last;
        }
    }

    private static int[] joined(Collection<Integer> some, int... others) {
        return IntStream.concat(some.stream().mapToInt(Integer::intValue), Arrays.stream(others)).toArray();
    }

    private void truncate(Change.Truncate c) {
        Node node = node(c.inode());
        node.comesFrom(c.sizeBefore());
        long end = Math.ceilDiv(c.size(), model.unitBytes());
        // Data that is cut off is gone either way; it only must not come back when the file grows again.
        NavigableMap<Long, Integer> gone = node.units.tailMap(end, true);
        List<Integer> required = new ArrayList<>(gone.values());
        if (model.hasJournal() && c.size() > node.least) {
            // Where the size follows the data, a size beyond the one on the medium is set when the data before it is there.
            required.addAll(node.grown.values());
            node.grown.clear();
            required.addAll(node.growths);
            node.growths.clear();
        }
        if (c.size() > c.sizeBefore()) {
            required.addAll(node.trimmed);
            node.trimmed.clear();
        } else if (c.size() % model.unitBytes() != 0 && !model.isWhole()) {
            trim(c, node, end - 1);
        }
        int effect = cut(new FileEffect.Size(c.inode(), c.size()), node, required);
        if (c.size() < c.sizeBefore()) {
            gone.clear();
            node.cutAway(end, Long.MAX_VALUE, effect);
        }
        node.least = c.size();
    }

    /**
     * A truncation cuts within a unit: the rest of it is written as zeroes, which may come to the medium before the new size. A sync of another
     * file may keep the size without them, and without what was written to the unit before; when the file grows again, they are there.
     */
    private void trim(Change.Truncate c, Node node, long unit) {
        long until = Math.min(c.sizeBefore(), (unit + 1) * model.unitBytes());
        int effect = add(new FileEffect.Trim(c.inode(), c.size(), until - c.size()),
                node.units.getOrDefault(unit, NONE), made(node), node.cutOf(unit));
        node.units.put(unit, effect);
        node.unsynced.add(effect);
        node.trimmed.add(effect);
    }

    private void punch(Change.Punch c) {
        Node node = node(c.inode());
        long end = c.offset() + c.length();
        // What was written to a unit comes to the medium before a hole in it, and what is written later after it.
        long first = c.offset() / model.unitBytes();
        long last = Math.ceilDiv(end, model.unitBytes());
        int effect = cut(new FileEffect.Hole(c.inode(), c.offset(), c.length()), node,
                List.copyOf(node.units.subMap(first, true, last, false).values()));
        node.cutAway(first, last, effect);
        long firstWhole = Math.ceilDiv(c.offset(), model.unitBytes());
        node.units.subMap(firstWhole, true, Math.max(firstWhole, end / model.unitBytes()), false).clear();
    }

    private int cut(FileEffect what, Node node, List<Integer> required) {
        int effect = journaled(what, joined(required, node.size, made(node), node.cut));
        node.cut = effect;
        node.size = effect;
        node.unsynced.add(effect);
        node.touched = effect;
        node.touchedData = effect;
        return effect;
    }

    private void sync(Node node, boolean dataOnly) {
        node.unsynced.forEach(history::durable);
        settled(node);
        if (model.hasJournal()) {
            history.durable(dataOnly ? node.touchedData : node.touched);
        }
    }

    /** All that was done to an inode is durable. */
    private static void settled(Node node) {
        node.unsynced.clear();
        node.grown.clear();
        node.growths.clear();
        node.trimmed.clear();
        node.reached = 0;
        node.least = NONE;
    }
}
