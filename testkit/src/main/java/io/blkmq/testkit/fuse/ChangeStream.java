package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.Kind;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Changes of a tree in a message. */
@SuppressWarnings("EnumOrdinal") // both sides of the pipe are of one build
final class ChangeStream {
    private static final byte CREATE = 1;
    private static final byte LINK = 2;
    private static final byte UNLINK = 3;
    private static final byte RENAME = 4;
    private static final byte EXCHANGE = 5;
    private static final byte WRITE = 6;
    private static final byte TRUNCATE = 7;
    private static final byte PUNCH = 8;
    private static final byte SYNC = 9;
    private static final byte SYNC_ALL = 10;
    private static final byte ACKNOWLEDGE = 11;

    private static final Kind[] KINDS = Kind.values();

    private ChangeStream() {}

    static void write(DataOutputStream out, List<Change> changes) throws IOException {
        out.writeInt(changes.size());
        for (Change change : changes) {
            write(out, change);
        }
    }

    private static void write(DataOutputStream out, Change change) throws IOException {
        switch (change) {
            case Change.Create c -> {
                entry(out, CREATE, c.directory(), c.name(), c.inode());
                out.writeByte(c.kind().ordinal());
                out.writeUTF(c.target());
            }
            case Change.Link c -> entry(out, LINK, c.directory(), c.name(), c.inode());
            case Change.Unlink c -> entry(out, UNLINK, c.directory(), c.name(), c.inode());
            case Change.Rename c -> {
                entry(out, RENAME, c.fromDirectory(), c.fromName(), c.toDirectory());
                out.writeUTF(c.toName());
                numbers(out, c.inode(), c.replaced());
            }
            case Change.Exchange c -> {
                entry(out, EXCHANGE, c.oneDirectory(), c.oneName(), c.one());
                out.writeLong(c.otherDirectory());
                out.writeUTF(c.otherName());
                out.writeLong(c.other());
            }
            case Change.Write c -> {
                out.writeByte(WRITE);
                numbers(out, c.inode(), c.offset(), c.sizeBefore());
                out.writeInt(c.data().length);
                out.write(c.data());
            }
            case Change.Truncate c -> {
                out.writeByte(TRUNCATE);
                numbers(out, c.inode(), c.size(), c.sizeBefore());
            }
            case Change.Punch c -> {
                out.writeByte(PUNCH);
                numbers(out, c.inode(), c.offset(), c.length());
            }
            case Change.Sync c -> {
                out.writeByte(SYNC);
                out.writeLong(c.inode());
                out.writeBoolean(c.dataOnly());
            }
            case Change.SyncAll _ -> out.writeByte(SYNC_ALL);
            case Change.Acknowledge c -> {
                out.writeByte(ACKNOWLEDGE);
                out.writeInt(c.count());
            }
        }
    }

    private static void entry(DataOutputStream out, int code, long directory, String name, long number)
            throws IOException {
        out.writeByte(code);
        out.writeLong(directory);
        out.writeUTF(name);
        out.writeLong(number);
    }

    private static void numbers(DataOutputStream out, long... numbers) throws IOException {
        for (long number : numbers) {
            out.writeLong(number);
        }
    }

    /**
     * Reads what {@link #write} has written.
     *
     * @throws IOException if it is nothing of the kind
     */
    static List<Change> read(DataInputStream in) throws IOException {
        int count = in.readInt();
        List<Change> changes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            changes.add(readOne(in));
        }
        return changes;
    }

    private static Change readOne(DataInputStream in) throws IOException {
        byte code = in.readByte();
        return switch (code) {
            case CREATE ->
                new Change.Create(in.readLong(), in.readUTF(), in.readLong(), KINDS[in.readByte()], in.readUTF());
            case LINK -> new Change.Link(in.readLong(), in.readUTF(), in.readLong());
            case UNLINK -> new Change.Unlink(in.readLong(), in.readUTF(), in.readLong());
            case RENAME -> new Change.Rename(in.readLong(), in.readUTF(), in.readLong(), in.readUTF(), in.readLong(),
                    in.readLong());
            case EXCHANGE -> new Change.Exchange(in.readLong(), in.readUTF(), in.readLong(), in.readLong(),
                    in.readUTF(), in.readLong());
            case WRITE -> readWrite(in);
            case TRUNCATE -> new Change.Truncate(in.readLong(), in.readLong(), in.readLong());
            case PUNCH -> new Change.Punch(in.readLong(), in.readLong(), in.readLong());
            case SYNC -> new Change.Sync(in.readLong(), in.readBoolean());
            case SYNC_ALL -> new Change.SyncAll();
            case ACKNOWLEDGE -> new Change.Acknowledge(in.readInt());
            default -> throw new IOException("a change with code " + code);
        };
    }

    private static Change readWrite(DataInputStream in) throws IOException {
        long inode = in.readLong();
        long offset = in.readLong();
        long sizeBefore = in.readLong();
        return new Change.Write(inode, offset, in.readNBytes(in.readInt()), sizeBefore);
    }
}
