package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.DirectoryEntry;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.RenameMode;
import io.blkmq.testkit.tree.TreeException;
import io.blkmq.testkit.tree.Usage;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Answers the requests of a mount from the trees that it shows. The root of the mount is a directory that has one entry for each of them
 * and cannot be changed through the mount.
 *
 * <p>Every request gets exactly one answer, whatever happens, for whoever asks waits for it: a tree's refusal is its error number, and what
 * is thrown otherwise is EIO, and is told to {@code failed}. Requests that an answer of ENOSYS ends for good, because the kernel then does
 * the work itself, are FLUSH (there is nothing that close(2) could bring), ACCESS (the mount has {@code default_permissions}),
 * INTERRUPT (each answer comes at once), extended attributes, statx, locks (of the kernel alone) and copy_file_range.
 *
 * <p>Thread-safe: a request, and an exchange of trees, happens under the lock of this object. The kernel may hold locks of its own while it
 * waits for an answer, so nobody who waits for the kernel may hold this one.
 */
final class FileService {
    /** What {@link #answer} returns for a request that has no reply. */
    static final long NO_REPLY = 0;

    private static final int O_ACCMODE = 3;
    private static final int O_EXCL = 0200;
    private static final int O_TRUNC = 01000;
    private static final int S_IFMT = 0170000;
    private static final int S_IFREG = 0100000;
    /** What the kernel has cached of the file stays good when it is opened again; close(2) sends nothing. */
    private static final int FOPEN_KEEP_CACHE = 2;
    private static final int FOPEN_NOFLUSH = 32;
    private static final int RENAME_NOREPLACE = 1;
    private static final int RENAME_EXCHANGE = 2;
    private static final int FALLOC_KEEP_SIZE = 1;
    private static final int FALLOC_PUNCH_HOLE = 2;
    private static final int FALLOC_ZERO_RANGE = 0x10;
    private static final int SEEK_DATA = 3;
    private static final int FSYNC_DATA_ONLY = 1;
    /** Of a directory whose entries nobody may change. */
    private static final int ROOT_MODE = 0755;
    private static final int DIRECTORY_BYTES = 4096;
    /** Offsets in a listing behind "." and behind "..". */
    private static final long AFTER_SELF = 1;
    private static final long AFTER_PARENT = 2;
    private static final long NAME_BYTES_MIN = FuseReply.nameBytes(new byte[1]);

    private static final long CREATE_FLAGS = FuseAbi.offset(FuseAbi.CREATE_IN, "flags");
    private static final long CREATE_MODE = FuseAbi.offset(FuseAbi.CREATE_IN, "mode");
    private static final long READ_OFFSET = FuseAbi.offset(FuseAbi.READ_IN, "offset");
    private static final long READ_SIZE = FuseAbi.offset(FuseAbi.READ_IN, "size");
    private static final long WRITE_OFFSET = FuseAbi.offset(FuseAbi.WRITE_IN, "offset");
    private static final long WRITE_SIZE = FuseAbi.offset(FuseAbi.WRITE_IN, "size");
    private static final long FSYNC_FLAGS = FuseAbi.offset(FuseAbi.FSYNC_IN, "fsync_flags");

    /** A file or a directory that is open. */
    private record Handle(long node, ShownTree shown, int flags, boolean directory) {}

    private final Consumer<String> failed;
    private final long begunNanos;
    private final Map<String, ShownTree> byName = new TreeMap<>();
    private final Map<Long, ShownTree> byNumber = new HashMap<>();
    private final Map<Long, Handle> handles = new LinkedHashMap<>();
    private long lastNumber;
    private long lastHandle;

    /**
     * A service that shows nothing.
     *
     * @param failed is told of what should not happen
     * @param nowNanos since 1970
     */
    FileService(Consumer<String> failed, long nowNanos) {
        this.failed = failed;
        this.begunNanos = nowNanos;
    }

    // ---- what is shown

    /**
     * Shows a copy of an image, in place of what had the name.
     *
     * @return the tree that is shown; the kernel still has to be told that the name is another's
     */
    synchronized ShownTree show(String name, FileTree image) {
        ShownTree before = byName.get(name);
        if (before != null) {
            hide(before);
        }
        ShownTree shown = new ShownTree(++lastNumber, name, image);
        byName.put(name, shown);
        byNumber.put(shown.number(), shown);
        return shown;
    }

    /** Takes a tree's name away, if it still has it. What is open or mapped of it goes on, without a log. */
    synchronized void hide(ShownTree shown) {
        if (byName.remove(shown.name(), shown)) {
            shown.stop();
            dropForgotten(shown);
        }
    }

    /** The tree that has a number and a name; null for none. */
    synchronized @Nullable ShownTree find(long number) {
        ShownTree found = byNumber.get(number);
        return found != null && byName.get(found.name()) == found ? found : null;
    }

    /** How many trees there are, with those that are only open or mapped. */
    synchronized int trees() {
        return byNumber.size();
    }

    /** A name that the kernel may know in a directory, a node. */
    record Name(long directory, String name) {}

    /**
     * Names of hidden trees that the kernel still knows though nothing is open of these trees. When a tree is hidden it forgets what is not
     * in use, and what was in use it keeps after that, out of everybody's reach, until it lacks memory: it has to be told again. The tree
     * that was hidden last is left out, for most likely the kernel is about to forget it.
     */
    synchronized List<Name> leftNames() {
        List<Name> left = new ArrayList<>();
        for (ShownTree shown : byNumber.values()) {
            if (shown.number() < lastNumber - 1 && !shown.isOpen() && byName.get(shown.name()) != shown) {
                shown.eachKnownName((directory, name) -> left.add(new Name(shown.nodeOf(directory), name)));
            }
        }
        return left;
    }

    private void dropForgotten(ShownTree shown) {
        if (shown.isForgotten() && byName.get(shown.name()) != shown) {
            byNumber.remove(shown.number());
        }
    }

    /** What is open of a tree. */
    synchronized List<OpenFile> openFiles(ShownTree shown) {
        List<OpenFile> open = new ArrayList<>();
        for (Handle handle : handles.values()) {
            if (handle.shown == shown) {
                open.add(new OpenFile(shown.tree().pathOf(ShownTree.inodeOf(handle.node)), handle.node,
                        (handle.flags & O_ACCMODE) != 0, handle.directory));
            }
        }
        return open;
    }

    // ---- requests

    /**
     * Answers a request.
     *
     * @return how long the reply is, or {@link #NO_REPLY}
     */
    long answer(FuseRequest request, FuseReply reply) {
        long result;
        try {
            result = perform(request, reply);
        } catch (TreeException e) {
            result = -e.errno().number();
        } catch (Refusal e) {
            result = -e.errno();
        } catch (FuseRequest.UnreadableName e) {
            result = -KernelError.EILSEQ;
        } catch (IndexOutOfBoundsException e) {
            failed.accept(request + " is not what it should be: " + e);
            result = -KernelError.EINVAL;
        } catch (RuntimeException | StackOverflowError | AssertionError e) {
            failed.accept(request + " failed: " + e + " at "
                    + List.of(e.getStackTrace()).subList(0, Math.min(4, e.getStackTrace().length)));
            result = -KernelError.EIO;
        }
        return switch (request.opcode()) {
            case Opcode.FORGET, Opcode.BATCH_FORGET -> NO_REPLY;
            default ->
                result < 0 ? reply.end(request.unique(), (int) result, 0) : reply.end(request.unique(), 0, result);
        };
    }

    /** Returns how long the body of the reply is, or a negated errno. */
    private synchronized long perform(FuseRequest request, FuseReply reply)
            throws TreeException, Refusal, FuseRequest.UnreadableName {
        return switch (request.opcode()) {
            case Opcode.LOOKUP -> lookup(request, reply);
            case Opcode.FORGET -> forget(request.node(), request.longAt(0));
            case Opcode.BATCH_FORGET -> batchForget(request);
            case Opcode.GETATTR -> reply.attributes(request.node(), attributes(request.node()));
            case Opcode.SETATTR -> setAttributes(request, reply);
            case Opcode.READLINK -> readlink(request, reply);
            case Opcode.SYMLINK, Opcode.MKNOD, Opcode.MKDIR -> make(request, reply);
            case Opcode.UNLINK, Opcode.RMDIR -> remove(request);
            case Opcode.RENAME -> rename(request, 0, FuseAbi.RENAME_IN.byteSize());
            case Opcode.RENAME2 -> rename(request, request.intAt(FuseAbi.offset(FuseAbi.RENAME2_IN, "flags")),
                    FuseAbi.RENAME2_IN.byteSize());
            case Opcode.LINK -> link(request, reply);
            case Opcode.CREATE -> create(request, reply);
            case Opcode.OPEN -> open(request, reply);
            case Opcode.OPENDIR -> reply.opened(0, handle(request.node(), 0, true), 0);
            case Opcode.READ -> read(request, reply);
            case Opcode.WRITE -> write(request, reply);
            case Opcode.FSYNC, Opcode.FSYNCDIR -> sync(request);
            case Opcode.RELEASE, Opcode.RELEASEDIR -> release(request);
            case Opcode.READDIR, Opcode.READDIRPLUS -> list(request, reply);
            case Opcode.STATFS -> reply.usage(usage(request.node()));
            case Opcode.FALLOCATE -> allocate(request);
            case Opcode.LSEEK -> seek(request, reply);
            case Opcode.SYNCFS -> syncAll();
            case Opcode.DESTROY -> 0;
            default -> -KernelError.ENOSYS;
        };
    }

    private ShownTree shown(long node) throws Refusal {
        ShownTree found = byNumber.get(ShownTree.numberOf(node));
        if (found == null) {
            throw new Refusal(KernelError.ESTALE, "node " + node + " is of a tree that is gone");
        }
        return found;
    }

    /** The tree in which a directory's entries are to change. */
    private ShownTree changing(long directory) throws Refusal {
        if (directory == FuseAbi.ROOT) {
            throw new Refusal(KernelError.EROFS, "the root of the mount cannot be changed");
        }
        return shown(directory);
    }

    private Attributes attributes(long node) throws TreeException, Refusal {
        if (node == FuseAbi.ROOT) {
            return new Attributes(FuseAbi.ROOT, Kind.DIRECTORY, ROOT_MODE, 0, 0, 2 + byName.size(), DIRECTORY_BYTES, 0,
                    begunNanos, begunNanos, begunNanos, begunNanos);
        }
        return shown(node).tree().attributes(ShownTree.inodeOf(node));
    }

    /** An entry in a reply, of which the kernel knows from then on. */
    private long entry(FuseReply reply, long at, ShownTree shown, long inode) throws TreeException {
        Attributes attributes = shown.tree().attributes(inode);
        shown.lookedUp(inode);
        return reply.entry(at, shown.nodeOf(inode), attributes);
    }

    private long lookup(FuseRequest request, FuseReply reply)
            throws TreeException, Refusal, FuseRequest.UnreadableName {
        String name = request.nameAt(0);
        if (request.node() == FuseAbi.ROOT) {
            ShownTree found = byName.get(name);
            return found == null ? -KernelError.ENOENT : entry(reply, 0, found, FileTree.ROOT);
        }
        ShownTree shown = shown(request.node());
        long directory = ShownTree.inodeOf(request.node());
        long inode = shown.tree().find(directory, name);
        if (inode == 0) {
            shown.missed(directory, name);
            return -KernelError.ENOENT;
        }
        return entry(reply, 0, shown, inode);
    }

    private long forget(long node, long times) {
        ShownTree shown = byNumber.get(ShownTree.numberOf(node));
        if (shown != null) {
            shown.forgotten(ShownTree.inodeOf(node), times);
            dropForgotten(shown);
        }
        return 0;
    }

    private long batchForget(FuseRequest request) {
        int count = request.intAt(0);
        for (int i = 0; i < count; i++) {
            long at = FuseAbi.BATCH_FORGET_IN.byteSize() + i * FuseAbi.FORGET_ONE.byteSize();
            forget(request.longAt(at), request.longAt(at + Long.BYTES));
        }
        return 0;
    }

    private long setAttributes(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        long node = request.node();
        AttributeChange.of(request).apply(changing(node).tree(), ShownTree.inodeOf(node));
        return reply.attributes(node, attributes(node));
    }

    private long readlink(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        byte[] target = shown(request.node()).tree().readlink(ShownTree.inodeOf(request.node()))
                .getBytes(StandardCharsets.UTF_8);
        MemorySegment.copy(MemorySegment.ofArray(target), 0, reply.body(), 0, target.length);
        return target.length;
    }

    private long make(FuseRequest request, FuseReply reply) throws TreeException, Refusal, FuseRequest.UnreadableName {
        ShownTree shown = changing(request.node());
        long directory = ShownTree.inodeOf(request.node());
        long inode = switch (request.opcode()) {
            case Opcode.SYMLINK -> shown.tree().symlink(directory, request.nameAt(0),
                    request.nameAt(request.afterName(0)), request.uid(), request.gid());
            case Opcode.MKDIR -> shown.tree().mkdir(directory, request.nameAt(FuseAbi.MKDIR_IN.byteSize()),
                    request.intAt(FuseAbi.offset(FuseAbi.MKDIR_IN, "mode")), request.uid(), request.gid());
            default -> {
                int mode = request.intAt(FuseAbi.offset(FuseAbi.MKNOD_IN, "mode"));
                if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != 0) {
                    throw new Refusal(KernelError.EPERM, "neither devices nor pipes nor sockets are possible");
                }
                yield shown.tree().create(directory, request.nameAt(FuseAbi.MKNOD_IN.byteSize()), mode, request.uid(),
                        request.gid());
            }
        };
        return entry(reply, 0, shown, inode);
    }

    private long remove(FuseRequest request) throws TreeException, Refusal, FuseRequest.UnreadableName {
        String name = request.nameAt(0);
        if (request.node() == FuseAbi.ROOT && byName.containsKey(name)) {
            throw new Refusal(KernelError.EBUSY, "'" + name + "' is shown");
        }
        ShownTree shown = changing(request.node());
        long directory = ShownTree.inodeOf(request.node());
        if (request.opcode() == Opcode.RMDIR) {
            shown.tree().rmdir(directory, name);
        } else {
            shown.tree().unlink(directory, name);
        }
        return 0;
    }

    private long rename(FuseRequest request, int flags, long names)
            throws TreeException, Refusal, FuseRequest.UnreadableName {
        ShownTree from = changing(request.node());
        long newDirectory = request.longAt(0);
        if (changing(newDirectory) != from) {
            throw new Refusal(KernelError.EXDEV, "the two names are of different trees");
        }
        RenameMode mode = switch (flags) {
            case 0 -> RenameMode.REPLACE;
            case RENAME_NOREPLACE -> RenameMode.NO_REPLACE;
            case RENAME_EXCHANGE -> RenameMode.EXCHANGE;
            default -> throw new Refusal(KernelError.EINVAL, "rename with flags " + flags);
        };
        from.tree().rename(ShownTree.inodeOf(request.node()), request.nameAt(names), ShownTree.inodeOf(newDirectory),
                request.nameAt(request.afterName(names)), mode);
        return 0;
    }

    private long link(FuseRequest request, FuseReply reply) throws TreeException, Refusal, FuseRequest.UnreadableName {
        long linked = request.longAt(0);
        ShownTree shown = changing(request.node());
        if (changing(linked) != shown) {
            throw new Refusal(KernelError.EXDEV, "the file and its new name are of different trees");
        }
        shown.tree().link(ShownTree.inodeOf(linked), ShownTree.inodeOf(request.node()),
                request.nameAt(FuseAbi.LINK_IN.byteSize()));
        return entry(reply, 0, shown, ShownTree.inodeOf(linked));
    }

    private long create(FuseRequest request, FuseReply reply)
            throws TreeException, Refusal, FuseRequest.UnreadableName {
        ShownTree shown = changing(request.node());
        long directory = ShownTree.inodeOf(request.node());
        String name = request.nameAt(FuseAbi.CREATE_IN.byteSize());
        int flags = request.intAt(CREATE_FLAGS);
        long inode = (flags & O_EXCL) != 0 ? 0 : shown.tree().find(directory, name);
        if (inode == 0) {
            inode = shown.tree().create(directory, name, request.intAt(CREATE_MODE), request.uid(), request.gid());
        } else if ((flags & O_TRUNC) != 0) {
            shown.tree().truncate(inode, 0);
        }
        long opened = entry(reply, 0, shown, inode);
        return reply.opened(opened, handle(shown.nodeOf(inode), flags, false), FOPEN_KEEP_CACHE | FOPEN_NOFLUSH);
    }

    private long open(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        long node = request.node();
        int flags = request.intAt(0);
        if ((flags & O_TRUNC) != 0) {
            shown(node).tree().truncate(ShownTree.inodeOf(node), 0);
        }
        return reply.opened(0, handle(node, flags, false), FOPEN_KEEP_CACHE | FOPEN_NOFLUSH);
    }

    private long handle(long node, int flags, boolean directory) throws Refusal {
        if (node == FuseAbi.ROOT) {
            return 0;
        }
        ShownTree shown = shown(node);
        shown.opened();
        handles.put(++lastHandle, new Handle(node, shown, flags, directory));
        return lastHandle;
    }

    private long release(FuseRequest request) {
        Handle handle = handles.remove(request.longAt(0));
        if (handle != null) {
            handle.shown.closed();
            dropForgotten(handle.shown);
        }
        return 0;
    }

    private long read(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        long size = Math.min(Integer.toUnsignedLong(request.intAt(READ_SIZE)), reply.body().byteSize());
        return shown(request.node()).tree().read(ShownTree.inodeOf(request.node()), request.longAt(READ_OFFSET),
                reply.body().asSlice(0, size));
    }

    private long write(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        long size = Integer.toUnsignedLong(request.intAt(WRITE_SIZE));
        long written = shown(request.node()).tree().write(ShownTree.inodeOf(request.node()),
                request.longAt(WRITE_OFFSET), request.data(FuseAbi.WRITE_IN.byteSize(), size));
        reply.setLong(0, 0);
        reply.setInt(0, (int) written);
        return FuseAbi.WRITE_OUT.byteSize();
    }

    private long sync(FuseRequest request) throws TreeException, Refusal {
        if (request.node() != FuseAbi.ROOT) {
            shown(request.node()).tree().sync(ShownTree.inodeOf(request.node()),
                    (request.intAt(FSYNC_FLAGS) & FSYNC_DATA_ONLY) != 0);
        }
        return 0;
    }

    private long syncAll() {
        byName.values().forEach(shown -> shown.tree().syncAll());
        return 0;
    }

    private long allocate(FuseRequest request) throws TreeException, Refusal {
        FileTree tree = shown(request.node()).tree();
        long inode = ShownTree.inodeOf(request.node());
        long offset = request.longAt(FuseAbi.offset(FuseAbi.FALLOCATE_IN, "offset"));
        long length = request.longAt(FuseAbi.offset(FuseAbi.FALLOCATE_IN, "length"));
        int mode = request.intAt(FuseAbi.offset(FuseAbi.FALLOCATE_IN, "mode"));
        boolean keepSize = (mode & FALLOC_KEEP_SIZE) != 0;
        switch (mode & ~FALLOC_KEEP_SIZE) {
            case 0 -> tree.allocate(inode, offset, length, keepSize);
            case FALLOC_PUNCH_HOLE -> tree.punch(inode, offset, length);
            case FALLOC_ZERO_RANGE -> {
                tree.punch(inode, offset, length);
                tree.allocate(inode, offset, length, keepSize);
            }
            default -> throw new Refusal(KernelError.EOPNOTSUPP, "fallocate with mode " + mode);
        }
        return 0;
    }

    private long seek(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        FileTree tree = shown(request.node()).tree();
        long inode = ShownTree.inodeOf(request.node());
        long offset = request.longAt(FuseAbi.offset(FuseAbi.LSEEK_IN, "offset"));
        boolean data = request.intAt(FuseAbi.offset(FuseAbi.LSEEK_IN, "whence")) == SEEK_DATA;
        reply.setLong(0, data ? tree.nextData(inode, offset) : tree.nextHole(inode, offset));
        return FuseAbi.LSEEK_OUT.byteSize();
    }

    private Usage usage(long node) throws Refusal {
        return node == FuseAbi.ROOT ? new Usage(0, 0, byName.size()) : shown(node).tree().statfs();
    }

    // ---- listings

    private long list(FuseRequest request, FuseReply reply) throws TreeException, Refusal {
        long size = Math.min(Integer.toUnsignedLong(request.intAt(READ_SIZE)), reply.body().byteSize());
        Listing listing = new Listing(reply, size, request.opcode() == Opcode.READDIRPLUS);
        long node = request.node();
        long offset = request.longAt(READ_OFFSET);
        if (node == FuseAbi.ROOT) {
            listTrees(listing, offset);
            return listing.bytes();
        }
        ShownTree shown = shown(node);
        long directory = ShownTree.inodeOf(node);
        long parent = directory == FileTree.ROOT ? FuseAbi.ROOT : shown.nodeOf(shown.tree().find(directory, ".."));
        boolean more = listDots(listing, node, parent, offset);
        List<DirectoryEntry> entries = more
                ? shown.tree().list(directory, offset < FileTree.FIRST_COOKIE ? 0 : offset,
                        (int) (size / NAME_BYTES_MIN))
                : List.of();
        for (DirectoryEntry entry : entries) {
            if (!listing.add(entry.name(), shown.nodeOf(entry.inode()), entry.cookie(), entry.kind())) {
                break;
            }
            if (listing.hasAttributes()) {
                listing.describe(shown.nodeOf(entry.inode()), shown.tree().attributes(entry.inode()));
                shown.lookedUp(entry.inode());
            }
        }
        return listing.bytes();
    }

    /** Returns whether there is room for more. */
    private static boolean listDots(Listing listing, long node, long parent, long offset) {
        return (offset >= AFTER_SELF || listing.add(".", node, AFTER_SELF, Kind.DIRECTORY))
                && (offset >= AFTER_PARENT || listing.add("..", parent, AFTER_PARENT, Kind.DIRECTORY));
    }

    /** The names in the root, which are few; the number of a tree is the cookie of its name. */
    private void listTrees(Listing listing, long offset) throws TreeException {
        boolean more = listDots(listing, FuseAbi.ROOT, FuseAbi.ROOT, offset);
        List<Map.Entry<String, ShownTree>> entries = new ArrayList<>(byName.entrySet());
        entries.sort((one, other) -> Long.compare(one.getValue().number(), other.getValue().number()));
        for (Map.Entry<String, ShownTree> entry : entries) {
            ShownTree shown = entry.getValue();
            long cookie = AFTER_PARENT + shown.number();
            if (more && cookie > offset) {
                more = listing.add(entry.getKey(), shown.nodeOf(FileTree.ROOT), cookie, Kind.DIRECTORY);
                if (more && listing.hasAttributes()) {
                    listing.describe(shown.nodeOf(FileTree.ROOT), shown.tree().attributes(FileTree.ROOT));
                    shown.lookedUp(FileTree.ROOT);
                }
            }
        }
    }
}
