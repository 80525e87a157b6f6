package io.blkmq.nbd;

import io.blkmq.nbd.wire.Nbd;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A client that says what it is told to, right or wrong. */
@SuppressWarnings("ArrayRecordComponent") // nobody compares them
final class RawClient implements AutoCloseable {
    final SocketChannel channel;

    /** A reply to an option. */
    record OptionReply(int option, int type, byte[] data) {}

    /** A reply to a request: the pieces of a structured one, or a simple one without data. */
    record Reply(int magic, int flags, int type, long cookie, int error, byte[] data) {}

    private RawClient(SocketChannel channel) {
        this.channel = channel;
    }

    static RawClient connect(Path socket) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        boolean _ = channel.connect(UnixDomainSocketAddress.of(socket));
        return new RawClient(channel);
    }

    /** Connects and says that it speaks fixed newstyle. */
    static RawClient greet(Path socket) throws IOException {
        return greet(connect(socket).channel);
    }

    /** Says over a connection that it speaks fixed newstyle. */
    static RawClient greet(SocketChannel connected) throws IOException {
        RawClient client = new RawClient(connected);
        ByteBuffer greeting = client.read(18);
        if (greeting.getLong() != Nbd.INIT_PASSWD || greeting.getLong() != Nbd.OPTS_MAGIC) {
            throw new IOException("no greeting");
        }
        client.write(ByteBuffer.allocate(4).putInt(3).flip());
        return client;
    }

    /** Connects and begins transmission with simple replies. */
    static RawClient simple(Path socket, String export) throws IOException {
        RawClient client = greet(socket);
        client.go(export);
        return client;
    }

    void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            int _ = channel.write(bytes);
        }
    }

    ByteBuffer read(int bytes) throws IOException {
        ByteBuffer into = ByteBuffer.allocate(bytes);
        while (into.hasRemaining()) {
            if (channel.read(into) < 0) {
                throw new EOFException("after " + into.position() + " of " + bytes + " bytes");
            }
        }
        return into.flip();
    }

    /** Whether the server closes without another byte. */
    boolean isClosedByServer() {
        try {
            return channel.read(ByteBuffer.allocate(1)) < 0;
        } catch (IOException e) {
            // Reset: it closed while something of ours was unread.
            return true;
        }
    }

    void option(int option, byte[] data) throws IOException {
        write(ByteBuffer.allocate(Nbd.OPTION_BYTES + data.length).putLong(Nbd.OPTS_MAGIC).putInt(option)
                .putInt(data.length).put(data).flip());
    }

    OptionReply optionReply() throws IOException {
        ByteBuffer head = read(Nbd.OPTION_REPLY_BYTES);
        if (head.getLong() != Nbd.REP_MAGIC) {
            throw new IOException("no reply to an option");
        }
        int option = head.getInt();
        int type = head.getInt();
        return new OptionReply(option, type, bytes(head.getInt()));
    }

    /** Sends an option and reads all replies; the last is the acknowledgement or an error. */
    List<OptionReply> ask(int option, byte[] data) throws IOException {
        option(option, data);
        List<OptionReply> replies = new ArrayList<>();
        do {
            replies.add(optionReply());
        } while (replies.getLast().type() > 0 && replies.getLast().type() != Nbd.REP_ACK);
        return replies;
    }

    int answerTo(int option, byte[] data) throws IOException {
        return ask(option, data).getLast().type();
    }

    static byte[] info(String export, int... wanted) {
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(4 + name.length + 2 + 2 * wanted.length).putInt(name.length).put(name)
                .putShort((short) wanted.length);
        for (int one : wanted) {
            data.putShort((short) one);
        }
        return data.array();
    }

    static byte[] contexts(String export, String... queries) {
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(4096).putInt(name.length).put(name).putInt(queries.length);
        for (String query : queries) {
            byte[] text = query.getBytes(StandardCharsets.UTF_8);
            data.putInt(text.length).put(text);
        }
        byte[] exact = new byte[data.position()];
        data.flip().get(exact);
        return exact;
    }

    /** Begins transmission. */
    void go(String export) throws IOException {
        int answer = answerTo(Nbd.OPT_GO, info(export, Nbd.INFO_BLOCK_SIZE));
        if (answer != Nbd.REP_ACK) {
            throw new IOException("GO: 0x" + Integer.toHexString(answer));
        }
    }

    static ByteBuffer request(int command, int flags, long cookie, long offset, long length, byte... data) {
        return ByteBuffer.allocate(Nbd.REQUEST_BYTES + data.length).putInt(Nbd.REQUEST_MAGIC).putShort((short) flags)
                .putShort((short) command).putLong(cookie).putLong(offset).putInt((int) length).put(data).flip();
    }

    static ByteBuffer extendedRequest(int command, int flags, long cookie, long offset, long length, byte... data) {
        return ByteBuffer.allocate(Nbd.EXTENDED_REQUEST_BYTES + data.length).putInt(Nbd.EXTENDED_REQUEST_MAGIC)
                .putShort((short) flags).putShort((short) command).putLong(cookie).putLong(offset).putLong(length)
                .put(data).flip();
    }

    /** Reads one reply; a simple one has so much data if it went well. */
    Reply reply(int simpleBytes) throws IOException {
        int magic = read(4).getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
            ByteBuffer head = read(12);
            int error = head.getInt();
            return new Reply(magic, 0, 0, head.getLong(), error, error == 0 ? bytes(simpleBytes) : new byte[0]);
        }
        if (magic != Nbd.STRUCTURED_REPLY_MAGIC && magic != Nbd.EXTENDED_REPLY_MAGIC) {
            throw new IOException("no reply: 0x" + Integer.toHexString(magic));
        }
        boolean extended = magic == Nbd.EXTENDED_REPLY_MAGIC;
        ByteBuffer head = read(extended ? 28 : 16);
        int flags = head.getShort();
        int type = Short.toUnsignedInt(head.getShort());
        long cookie = head.getLong();
        if (extended) {
            head.getLong();
        }
        byte[] data = bytes((int) (extended ? head.getLong() : head.getInt()));
        int error = (type & Nbd.REPLY_ERROR_BIT) != 0 ? ByteBuffer.wrap(data).getInt() : 0;
        return new Reply(magic, flags, type, cookie, error, data);
    }

    private byte[] bytes(int count) throws IOException {
        byte[] all = new byte[count];
        read(count).get(all);
        return all;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
