package io.blkmq.testkit.fs;

import io.blkmq.testkit.crash.History;
import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

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
        /** The last effect that took data away. */
        int cut = NONE;
        /** Its last effect in the journal, and the last of those that fdatasync waits for. */
        int touched = NONE;
        int touchedData = NONE;
        /** Effects on its data and size, and on a directory's entries, since its last sync. */
        final List<Integer> unsynced = new ArrayList<>();
        /** The last effect on each unit of its data. */
        final NavigableMap<Long, Integer> units = new TreeMap<>();
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
                nodes.values().forEach(node -> node.unsynced.clear());
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
        long end = c.offset() + c.data().length;
        int size = NONE;
        if (end > c.sizeBefore() && !model.sizeFollowsData()) {
            // The new size goes to the journal when the data is written back, and so after all that is in it now; what comes later need not wait.
            size = add(new FileEffect.Size(c.inode(), end), node.size, made(node), node.cut, journal);
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
        boolean grows = model.sizeFollowsData() && offset + length > c.sizeBefore();
        int[] required = Arrays.copyOf(node.units.subMap(firstUnit, true, lastUnit, true).values().stream()
                .mapToInt(Integer::intValue).toArray(), (int) (lastUnit - firstUnit + 1) + 4);
        int at = node.units.subMap(firstUnit, true, lastUnit, true).size();
        Arrays.fill(required, at, required.length, NONE);
        required[at] = made(node);
        required[at + 1] = node.cut;
        required[at + 2] = size;
        required[at + 3] = grows ? journal : NONE;
        int effect = add(new FileEffect.Data(c.inode(), offset, c.data(), (int) (offset - c.offset()), length, grows),
                required);
        for (long unit = firstUnit; unit <= lastUnit; unit++) {
            node.units.put(unit, effect);
        }
        node.unsynced.add(effect);
        if (grows) {
            node.touched = effect;
            node.touchedData = effect;
        }
    }

    private void truncate(Change.Truncate c) {
        Node node = node(c.inode());
        // Data that is cut off is gone either way; it only must not come back when the file grows again.
        NavigableMap<Long, Integer> gone = node.units.tailMap((c.size() + model.unitBytes() - 1) / model.unitBytes(),
                true);
        cut(new FileEffect.Size(c.inode(), c.size()), node, gone);
    }

    private void punch(Change.Punch c) {
        long first = (c.offset() + model.unitBytes() - 1) / model.unitBytes();
        long end = Math.max(first, (c.offset() + c.length()) / model.unitBytes());
        Node node = node(c.inode());
        cut(new FileEffect.Hole(c.inode(), c.offset(), c.length()), node, node.units.subMap(first, true, end, false));
    }

    private void cut(FileEffect what, Node node, NavigableMap<Long, Integer> gone) {
        int[] required = Arrays.copyOf(gone.values().stream().mapToInt(Integer::intValue).toArray(), gone.size() + 3);
        required[gone.size()] = node.size;
        required[gone.size() + 1] = made(node);
        required[gone.size() + 2] = node.cut;
        int effect = journaled(what, required);
        gone.clear();
        node.cut = effect;
        node.size = effect;
        node.unsynced.add(effect);
        node.touched = effect;
        node.touchedData = effect;
    }

    private void sync(Node node, boolean dataOnly) {
        node.unsynced.forEach(history::durable);
        node.unsynced.clear();
        if (model.hasJournal()) {
            history.durable(dataOnly ? node.touchedData : node.touched);
        }
    }
}
