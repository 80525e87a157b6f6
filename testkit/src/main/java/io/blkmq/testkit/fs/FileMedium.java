package io.blkmq.testkit.fs;

import io.blkmq.testkit.crash.Medium;
import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A file tree on which effects are applied, and which can tell them to a reader. */
final class FileMedium implements Medium<FileTree> {
    private final FileTree base;
    private final List<FileEffect> effects;
    /** Each change, told with the names that files had when it happened. */
    private final List<String> events = new ArrayList<>();
    /** The last name of each inode. */
    private final Map<Long, String> names = new HashMap<>();

    /**
     * A medium.
     *
     * @param before the tree before the changes
     * @param changes all of them
     * @param effects what they are made of
     */
    FileMedium(FileTree before, List<Change> changes, List<FileEffect> effects) {
        this.base = before.fork();
        this.effects = List.copyOf(effects);
        for (Change change : changes) {
            if (change instanceof Change.Create c) {
                // An inode that is made later has no name until an effect gives it one.
                base.restore(c.inode(), c.kind(), c.target(), c.kind() == Kind.DIRECTORY ? 0755 : 0644);
            }
            events.add(told(change));
        }
    }

    @Override
    public FileTree before() {
        return base.fork();
    }

    @Override
    public FileTree copy(FileTree image) {
        return image.fork();
    }

    @Override
    public void apply(FileTree image, int effect) {
        effects.get(effect).applyTo(image);
    }

    @Override
    public Object identity(FileTree image) {
        image.settle();
        return image.fingerprint();
    }

    @Override
    public String describe(int effect) {
        return effect + ": " + switch (effects.get(effect)) {
            case FileEffect.Entry e -> "the name " + path(e.directory(), e.name());
            case FileEffect.NoEntry e -> "the removal of the name " + path(e.directory(), e.name());
            case FileEffect.Move e ->
                "the rename of " + path(e.fromDirectory(), e.fromName()) + " to " + path(e.toDirectory(), e.toName());
            case FileEffect.Swap e -> "the exchange of " + path(e.oneDirectory(), e.oneName()) + " and "
                    + path(e.otherDirectory(), e.otherName());
            case FileEffect.Size e -> "the size of " + name(e.inode()) + ", " + e.size() + " bytes";
            case FileEffect.Data e -> "data of " + name(e.inode()) + ", " + range(e.offset(), e.length());
            case FileEffect.Growth e -> "the growth of " + name(e.inode()) + " to " + e.size() + " bytes";
            case FileEffect.Trim e ->
                "zeroes after the end of " + name(e.inode()) + ", " + range(e.offset(), e.length());
            case FileEffect.Hole e -> "the hole in " + name(e.inode()) + ", " + range(e.offset(), e.length());
        };
    }

    private static String range(long offset, long length) {
        return length + " bytes at " + offset;
    }

    @Override
    public String describeEvent(int position) {
        return events.get(position - 1);
    }

    /** Tells a change, and keeps the names that it gives. */
    private String told(Change change) {
        return switch (change) {
            case Change.Create c -> {
                names.put(c.inode(), path(c.directory(), c.name()));
                yield switch (c.kind()) {
                    case FILE -> "create " + name(c.inode());
                    case DIRECTORY -> "mkdir " + name(c.inode());
                    case SYMLINK -> "symlink " + name(c.inode()) + " to " + c.target();
                };
            }
            case Change.Link c -> "link " + name(c.inode()) + " as " + path(c.directory(), c.name());
            case Change.Unlink c -> "unlink " + path(c.directory(), c.name());
            case Change.Rename c -> {
                String text = "rename " + path(c.fromDirectory(), c.fromName()) + " to "
                        + path(c.toDirectory(), c.toName()) + (c.replaced() == 0 ? "" : ", which it replaces");
                names.put(c.inode(), path(c.toDirectory(), c.toName()));
                yield text;
            }
            case Change.Exchange c ->
                "exchange " + path(c.oneDirectory(), c.oneName()) + " and " + path(c.otherDirectory(), c.otherName());
            case Change.Write c -> "write " + name(c.inode()) + ", " + range(c.offset(), c.data().length)
                    + (c.offset() + c.data().length > c.sizeBefore() ? ", it grows from " + c.sizeBefore() : "");
            case Change.Truncate c ->
                "truncate " + name(c.inode()) + " from " + c.sizeBefore() + " to " + c.size() + " bytes";
            case Change.Punch c -> "punch " + name(c.inode()) + ", " + range(c.offset(), c.length());
            case Change.Sync c -> (c.dataOnly() ? "fdatasync " : "fsync ") + name(c.inode());
            case Change.SyncAll _ -> "sync";
            case Change.Acknowledge c -> "acknowledged: " + c.count();
        };
    }

    private String path(long directory, String name) {
        String above = name(directory);
        return above.equals("/") ? "/" + name : above + "/" + name;
    }

    private String name(long inode) {
        return inode == FileTree.ROOT ? "/" : names.computeIfAbsent(inode, base::pathOf);
    }
}
