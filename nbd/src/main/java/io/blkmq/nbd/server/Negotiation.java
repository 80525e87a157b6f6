package io.blkmq.nbd.server;

import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.OptionReader;
import io.blkmq.nbd.wire.ReplyStyle;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The haggling of options, up to the choice of an export. One option at a time: the next is not looked at until the replies to the last
 * are sent, so a client that does not read them gets no further.
 *
 * <p>For its connection's thread.
 */
final class Negotiation {
    /** The longest data of an option that are looked at; what is longer is skipped and refused. */
    private static final int OPTION_DATA_MAX = 64 << 10;
    /** The only metadata context of this server. */
    private static final int ALLOCATION_ID = 1;

    private final Connection connection;
    private boolean greeted;
    private boolean fixed;
    private boolean noZeroes;
    private boolean structured;
    private boolean extended;
    /** The export for which contexts were chosen; null before that. */
    private @Nullable String contextExport;
    private boolean allocation;
    /** Of an option that is too long: what is still to be skipped, and its number. */
    private long skipBytes;
    private int skippedOption;

    Negotiation(Connection connection) {
        this.connection = connection;
    }

    void greet() {
        ByteBuffer greeting = ByteBuffer.allocate(18);
        greeting.putLong(Nbd.INIT_PASSWD).putLong(Nbd.OPTS_MAGIC);
        greeting.putShort((short) (Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES));
        connection.send(new Message.Plain(greeting.flip()));
    }

    /**
     * Takes the client's flags or one option.
     *
     * @param in what was received
     * @return whether there was one
     */
    boolean next(ByteBuffer in) {
        if (skipBytes > 0) {
            return skip(in);
        }
        if (!greeted) {
            return takeFlags(in);
        }
        if (in.remaining() < Nbd.OPTION_BYTES || connection.isSending()) {
            return false;
        }
        if (in.getLong(in.position()) != Nbd.OPTS_MAGIC) {
            connection.abort("an option without its magic");
            return false;
        }
        int option = in.getInt(in.position() + 8);
        long length = Integer.toUnsignedLong(in.getInt(in.position() + 12));
        if (length > OPTION_DATA_MAX) {
            in.position(in.position() + Nbd.OPTION_BYTES);
            skipBytes = length;
            skippedOption = option;
            return skip(in);
        }
        if (in.remaining() < Nbd.OPTION_BYTES + length) {
            return false;
        }
        ByteBuffer data = in.slice(in.position() + Nbd.OPTION_BYTES, (int) length);
        in.position(in.position() + Nbd.OPTION_BYTES + (int) length);
        take(option, data);
        return true;
    }

    private boolean takeFlags(ByteBuffer in) {
        if (in.remaining() < 4) {
            return false;
        }
        int flags = in.getInt();
        if ((flags & ~(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)) != 0) {
            connection.abort("unknown client flags 0x" + Integer.toHexString(flags));
            return false;
        }
        greeted = true;
        fixed = (flags & Nbd.FLAG_FIXED_NEWSTYLE) != 0;
        noZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
        return true;
    }

    private boolean skip(ByteBuffer in) {
        int bytes = (int) Math.min(skipBytes, in.remaining());
        in.position(in.position() + bytes);
        skipBytes -= bytes;
        if (skipBytes > 0) {
            return false;
        }
        if (skippedOption == Nbd.OPT_EXPORT_NAME) {
            connection.abort("an export name longer than any");
        } else {
            refuse(skippedOption, Nbd.REP_ERR_TOO_BIG, "an option may have " + OPTION_DATA_MAX + " bytes of data");
        }
        return true;
    }

    private void take(int option, ByteBuffer data) {
        if (option != Nbd.OPT_EXPORT_NAME && !fixed) {
            connection.abort("an option by a client that does not speak fixed newstyle");
        } else if (option == Nbd.OPT_ABORT) {
            acknowledge(option);
            connection.drain();
        } else if (option == Nbd.OPT_STARTTLS) {
            startTls(option, data);
        } else if (connection.server.isEncrypted() && !connection.isEncrypted()) {
            if (option == Nbd.OPT_EXPORT_NAME) {
                connection.abort("EXPORT_NAME without TLS");
            } else {
                refuse(option, Nbd.REP_ERR_TLS_REQD, "this server wants TLS");
            }
        } else if (connection.server.isClosing()) {
            if (option == Nbd.OPT_EXPORT_NAME) {
                connection.abort("the server is closing");
            } else {
                refuse(option, Nbd.REP_ERR_SHUTDOWN, "the server is closing");
            }
        } else {
            takeOpen(option, data);
        }
    }

    private void takeOpen(int option, ByteBuffer data) {
        switch (option) {
            case Nbd.OPT_EXPORT_NAME -> exportName(data);
            case Nbd.OPT_LIST -> list(option, data);
            case Nbd.OPT_INFO, Nbd.OPT_GO -> info(option, data);
            case Nbd.OPT_STRUCTURED_REPLY -> {
                if (data.hasRemaining()) {
                    refuse(option, Nbd.REP_ERR_INVALID, "STRUCTURED_REPLY has no data");
                } else if (extended) {
                    refuse(option, Nbd.REP_ERR_EXT_HEADER_REQD, "extended headers are on already");
                } else {
                    structured = true;
                    acknowledge(option);
                }
            }
            case Nbd.OPT_EXTENDED_HEADERS -> {
                if (data.hasRemaining()) {
                    refuse(option, Nbd.REP_ERR_INVALID, "EXTENDED_HEADERS has no data");
                } else {
                    extended = true;
                    acknowledge(option);
                }
            }
            case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> metaContext(option, data);
            default -> refuse(option, Nbd.REP_ERR_UNSUP, "unknown option " + Integer.toUnsignedString(option));
        }
    }

    private void startTls(int option, ByteBuffer data) {
        if (!connection.server.isEncrypted()) {
            refuse(option, Nbd.REP_ERR_POLICY, "this server has no TLS");
        } else if (connection.isEncrypted() || data.hasRemaining()) {
            refuse(option, Nbd.REP_ERR_INVALID, data.hasRemaining() ? "STARTTLS has no data" : "TLS is on already");
        } else {
            acknowledge(option);
            // What was said in plain might have been said by another.
            structured = false;
            extended = false;
            contextExport = null;
            allocation = false;
            try {
                connection.encrypt();
            } catch (IOException e) {
                connection.abort("TLS: " + e);
            }
        }
    }

    private void exportName(ByteBuffer data) {
        OptionReader reader = new OptionReader(data);
        String name = reader.rest();
        Export export = reader.isWrong() ? null : connection.server.exports().find(name);
        if (export == null) {
            connection.abort("EXPORT_NAME of an export that is not there");
            return;
        }
        ByteBuffer reply = ByteBuffer.allocate(10 + (noZeroes ? 0 : Nbd.RESERVED_BYTES));
        reply.putLong(export.disk().sizeBytes()).putShort((short) export.transmissionFlags(isStructured()));
        send(reply.clear());
        begin(export);
    }

    private boolean isStructured() {
        return structured || extended;
    }

    private void begin(Export export) {
        ReplyStyle style = extended ? ReplyStyle.EXTENDED : structured ? ReplyStyle.STRUCTURED : ReplyStyle.SIMPLE;
        boolean status = allocation && export.name().equals(contextExport) && isStructured();
        connection.transmit(new Transmission(connection, export, style, status ? ALLOCATION_ID : 0));
    }

    private void list(int option, ByteBuffer data) {
        if (data.hasRemaining()) {
            refuse(option, Nbd.REP_ERR_INVALID, "LIST has no data");
            return;
        }
        for (Export export : connection.server.exports().all()) {
            byte[] name = bytes(export.name());
            byte[] description = bytes(export.description());
            ByteBuffer reply = reply(option, Nbd.REP_SERVER, 4 + name.length + description.length);
            send(reply.putInt(name.length).put(name).put(description).flip());
        }
        acknowledge(option);
    }

    private void info(int option, ByteBuffer data) {
        OptionReader reader = new OptionReader(data);
        String name = reader.string();
        int wanted = reader.uint16();
        boolean blocks = false;
        boolean named = false;
        boolean described = false;
        for (int i = 0; i < wanted && !reader.isWrong(); i++) {
            switch (reader.uint16()) {
                case Nbd.INFO_BLOCK_SIZE -> blocks = true;
                case Nbd.INFO_NAME -> named = true;
                case Nbd.INFO_DESCRIPTION -> described = true;
                default -> {
                    // Export is sent anyway, and what is not known is not sent.
                }
            }
        }
        String wrong = reader.wrong();
        if (wrong != null) {
            refuse(option, Nbd.REP_ERR_INVALID, wrong);
            return;
        }
        Export export = findOrRefuse(option, name);
        if (export == null) {
            return;
        }
        send(reply(option, Nbd.REP_INFO, 12).putShort((short) Nbd.INFO_EXPORT).putLong(export.disk().sizeBytes())
                .putShort((short) export.transmissionFlags(isStructured())).flip());
        if (named) {
            text(option, Nbd.INFO_NAME, export.name());
        }
        if (described && !export.description().isEmpty()) {
            text(option, Nbd.INFO_DESCRIPTION, export.description());
        }
        if (blocks || export.blockBytes() > 1) {
            int most = connection.server.limits().requestBytes();
            send(reply(option, Nbd.REP_INFO, 14).putShort((short) Nbd.INFO_BLOCK_SIZE).putInt(export.blockBytes())
                    .putInt(export.preferredBytes(most)).putInt(most).flip());
        }
        acknowledge(option);
        if (option == Nbd.OPT_GO) {
            begin(export);
        }
    }

    private @Nullable Export findOrRefuse(int option, String name) {
        Export export = connection.server.exports().find(name);
        if (export == null) {
            refuse(option, Nbd.REP_ERR_UNKNOWN, "there is no export '" + name + "'");
        }
        return export;
    }

    private void text(int option, int type, String text) {
        byte[] utf8 = bytes(text);
        send(reply(option, Nbd.REP_INFO, 2 + utf8.length).putShort((short) type).put(utf8).flip());
    }

    private void metaContext(int option, ByteBuffer data) {
        OptionReader reader = new OptionReader(data);
        String name = reader.string();
        long count = reader.uint32();
        List<String> queries = new ArrayList<>();
        for (long i = 0; i < count && !reader.isWrong(); i++) {
            queries.add(reader.string());
        }
        String wrong = reader.wrong();
        if (wrong == null && !isStructured()) {
            wrong = "metadata contexts need structured replies";
        }
        boolean set = option == Nbd.OPT_SET_META_CONTEXT;
        if (set) {
            contextExport = null;
            allocation = false;
        }
        if (wrong != null) {
            refuse(option, Nbd.REP_ERR_INVALID, wrong);
            return;
        }
        Export export = findOrRefuse(option, name);
        if (export == null) {
            return;
        }
        boolean chosen = queries.contains(Nbd.BASE_ALLOCATION);
        if (set) {
            contextExport = export.name();
            allocation = chosen;
        } else {
            chosen |= queries.isEmpty() || queries.contains("base:");
        }
        if (chosen) {
            byte[] context = bytes(Nbd.BASE_ALLOCATION);
            send(reply(option, Nbd.REP_META_CONTEXT, 4 + context.length).putInt(set ? ALLOCATION_ID : 0).put(context)
                    .flip());
        }
        acknowledge(option);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void acknowledge(int option) {
        send(reply(option, Nbd.REP_ACK, 0).flip());
    }

    private void refuse(int option, int error, String why) {
        byte[] text = bytes(why.length() > 200 ? why.substring(0, 200) : why);
        send(reply(option, error, text.length).put(text).flip());
    }

    private static ByteBuffer reply(int option, int type, int bytes) {
        return ByteBuffer.allocate(Nbd.OPTION_REPLY_BYTES + bytes).putLong(Nbd.REP_MAGIC).putInt(option).putInt(type)
                .putInt(bytes);
    }

    private void send(ByteBuffer reply) {
        connection.send(new Message.Plain(reply));
    }
}
