package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.TreeEdits;
import io.blkmq.testkit.tree.TreeException;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Writes edits of a tree into a message, from which {@link #apply} takes them to a tree. */
@SuppressWarnings("EnumOrdinal") // both sides of the pipe are of one build
final class EditStream implements TreeEdits {
    private static final byte END = 0;
    private static final byte RESTORE = 1;
    private static final byte DESCRIBE = 2;
    private static final byte REMOVE_ENTRY = 3;
    private static final byte PUT_ENTRY = 4;
    private static final byte SET_SIZE = 5;
    private static final byte POKE = 6;
    private static final byte ZERO = 7;

    private static final Kind[] KINDS = Kind.values();

    /** A write that fails only if the message becomes too long. */
    @FunctionalInterface
    private interface Writing {
        void write() throws IOException;
    }

    private final DataOutputStream out;

    private EditStream(DataOutputStream out) {
        this.out = out;
    }

    /** Writes what makes a tree of an earlier one. */
    static void write(DataOutputStream out, FileTree earlier, FileTree later) throws IOException {
        try {
            later.difference(earlier, new EditStream(out));
        } catch (UncheckedIOException e) {
            throw new IOException("the trees differ in too much", e.getCause());
        }
        out.writeByte(END);
    }

    private static void must(Writing writing) {
        try {
            writing.write();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void restore(long inode, Kind kind, String target, int mode) {
        must(() -> {
            out.writeByte(RESTORE);
            out.writeLong(inode);
            out.writeByte(kind.ordinal());
            out.writeUTF(target);
            out.writeInt(mode);
        });
    }

    @Override
    public void describe(long inode, int mode, int uid, int gid, long accessedNanos, long modifiedNanos) {
        must(() -> {
            out.writeByte(DESCRIBE);
            out.writeLong(inode);
            out.writeInt(mode);
            out.writeInt(uid);
            out.writeInt(gid);
            out.writeLong(accessedNanos);
            out.writeLong(modifiedNanos);
        });
    }

    @Override
    public void removeEntry(long directory, String name) {
        must(() -> {
            out.writeByte(REMOVE_ENTRY);
            out.writeLong(directory);
            out.writeUTF(name);
        });
    }

    @Override
    public void putEntry(long directory, String name, long inode) {
        must(() -> {
            out.writeByte(PUT_ENTRY);
            out.writeLong(directory);
            out.writeUTF(name);
            out.writeLong(inode);
        });
    }

    @Override
    public void setSize(long inode, long size) {
        must(() -> {
            out.writeByte(SET_SIZE);
            out.writeLong(inode);
            out.writeLong(size);
        });
    }

    @Override
    public void poke(long inode, long offset, byte[] data, int from, int length) {
        must(() -> {
            out.writeByte(POKE);
            out.writeLong(inode);
            out.writeLong(offset);
            out.writeInt(length);
            out.write(data, from, length);
        });
    }

    @Override
    public void zero(long inode, long offset, long length) {
        must(() -> {
            out.writeByte(ZERO);
            out.writeLong(inode);
            out.writeLong(offset);
            out.writeLong(length);
        });
    }

    /**
     * Applies what {@link #write} has written.
     *
     * @throws IOException if it is nothing of the kind
     */
    static void apply(DataInputStream in, FileTree tree) throws IOException {
        for (byte code = in.readByte(); code != END; code = in.readByte()) {
            switch (code) {
                case RESTORE -> tree.restore(in.readLong(), KINDS[in.readByte()], in.readUTF(), in.readInt());
                case DESCRIBE -> {
                    long inode = in.readLong();
                    tree.setMode(inode, in.readInt());
                    tree.setOwner(inode, in.readInt(), in.readInt());
                    tree.setTimes(inode, in.readLong(), in.readLong());
                }
                case REMOVE_ENTRY -> tree.removeEntry(in.readLong(), in.readUTF());
                case PUT_ENTRY -> tree.putEntry(in.readLong(), in.readUTF(), in.readLong());
                case SET_SIZE -> tree.setSize(in.readLong(), in.readLong());
                case POKE -> {
                    long inode = in.readLong();
                    long offset = in.readLong();
                    byte[] data = in.readNBytes(in.readInt());
                    tree.poke(inode, offset, data, 0, data.length);
                }
                case ZERO -> punch(tree, in.readLong(), in.readLong(), in.readLong());
                default -> throw new IOException("an edit of a tree with code " + code);
            }
        }
        tree.settle();
    }

    private static void punch(FileTree tree, long inode, long offset, long length) throws TreeException {
        tree.punch(inode, offset, length);
    }
}
