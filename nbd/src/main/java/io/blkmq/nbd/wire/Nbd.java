package io.blkmq.nbd.wire;

/** The numbers of the protocol, by the names that its description has for them, without their {@code NBD_}. */
public final class Nbd {
    /** The port that IANA has assigned. */
    public static final int PORT = 10809;

    // ---- handshake

    /** The first eight bytes of a server: {@code NBDMAGIC}. */
    public static final long INIT_PASSWD = 0x4e42444d41474943L;
    /** The second eight bytes of a server, and the first of each option: {@code IHAVEOPT}. */
    public static final long OPTS_MAGIC = 0x49484156454f5054L;
    /** The first eight bytes of a reply to an option. */
    public static final long REP_MAGIC = 0x3e889045565a9L;
    /** Both sides speak fixed newstyle; a flag of the server and of the client. */
    public static final int FLAG_FIXED_NEWSTYLE = 1;
    /** No 124 zeroes behind the answer to EXPORT_NAME; a flag of the server and of the client. */
    public static final int FLAG_NO_ZEROES = 1 << 1;
    /** The zeroes behind the answer to EXPORT_NAME. */
    public static final int RESERVED_BYTES = 124;
    /** Magic, option and length. */
    public static final int OPTION_BYTES = 16;
    /** Magic, option, type and length. */
    public static final int OPTION_REPLY_BYTES = 20;
    /** The longest string of the protocol, in bytes of UTF-8. */
    public static final int STRING_BYTES_MAX = 4096;

    /** Chooses an export; has no reply that could say no. */
    public static final int OPT_EXPORT_NAME = 1;
    /** Ends the connection. */
    public static final int OPT_ABORT = 2;
    /** Names all exports. */
    public static final int OPT_LIST = 3;
    /** Goes on with TLS. */
    public static final int OPT_STARTTLS = 5;
    /** Describes an export. */
    public static final int OPT_INFO = 6;
    /** Describes an export and begins transmission. */
    public static final int OPT_GO = 7;
    /** Asks for structured replies. */
    public static final int OPT_STRUCTURED_REPLY = 8;
    /** Names metadata contexts. */
    public static final int OPT_LIST_META_CONTEXT = 9;
    /** Chooses metadata contexts. */
    public static final int OPT_SET_META_CONTEXT = 10;
    /** Asks for headers with lengths of 64 bits. */
    public static final int OPT_EXTENDED_HEADERS = 11;

    /** The option is done. */
    public static final int REP_ACK = 1;
    /** An export. */
    public static final int REP_SERVER = 2;
    /** A property of an export. */
    public static final int REP_INFO = 3;
    /** A metadata context. */
    public static final int REP_META_CONTEXT = 4;
    /** The option is not known. */
    public static final int REP_ERR_UNSUP = 0x8000_0001;
    /** The option is not allowed. */
    public static final int REP_ERR_POLICY = 0x8000_0002;
    /** The option's data are wrong. */
    public static final int REP_ERR_INVALID = 0x8000_0003;
    /** TLS is needed first. */
    public static final int REP_ERR_TLS_REQD = 0x8000_0005;
    /** There is no such export. */
    public static final int REP_ERR_UNKNOWN = 0x8000_0006;
    /** The server is going. */
    public static final int REP_ERR_SHUTDOWN = 0x8000_0007;
    /** The client must ask for block sizes. */
    public static final int REP_ERR_BLOCK_SIZE_REQD = 0x8000_0008;
    /** The option's data are too long. */
    public static final int REP_ERR_TOO_BIG = 0x8000_0009;
    /** Extended headers are needed, or structured replies are asked for after them. */
    public static final int REP_ERR_EXT_HEADER_REQD = 0x8000_000a;

    /** Size and transmission flags. */
    public static final int INFO_EXPORT = 0;
    /** The export's name. */
    public static final int INFO_NAME = 1;
    /** A text for people. */
    public static final int INFO_DESCRIPTION = 2;
    /** The least, the preferred and the largest block. */
    public static final int INFO_BLOCK_SIZE = 3;

    /** The only metadata context that the protocol describes. */
    public static final String BASE_ALLOCATION = "base:allocation";
    /** Not allocated. */
    public static final int STATE_HOLE = 1;
    /** Reads as zeroes. */
    public static final int STATE_ZERO = 1 << 1;

    // ---- transmission flags

    /** Always set. */
    public static final int FLAG_HAS_FLAGS = 1;
    /** Writes are refused. */
    public static final int FLAG_READ_ONLY = 1 << 1;
    /** FLUSH is there. */
    public static final int FLAG_SEND_FLUSH = 1 << 2;
    /** FUA is there. */
    public static final int FLAG_SEND_FUA = 1 << 3;
    /** The disk turns. */
    public static final int FLAG_ROTATIONAL = 1 << 4;
    /** TRIM is there. */
    public static final int FLAG_SEND_TRIM = 1 << 5;
    /** WRITE_ZEROES is there. */
    public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    /** DF is there. */
    public static final int FLAG_SEND_DF = 1 << 7;
    /** A flush on one connection is one for all. */
    public static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    /** CACHE is there. */
    public static final int FLAG_SEND_CACHE = 1 << 10;
    /** FAST_ZERO is there. */
    public static final int FLAG_SEND_FAST_ZERO = 1 << 11;

    // ---- requests

    /** The first four bytes of a request. */
    public static final int REQUEST_MAGIC = 0x2560_9513;
    /** The first four bytes of a request with an extended header. */
    public static final int EXTENDED_REQUEST_MAGIC = 0x21e4_1c71;
    /** A request's header. */
    public static final int REQUEST_BYTES = 28;
    /** An extended request's header. */
    public static final int EXTENDED_REQUEST_BYTES = 32;

    /** Reads. */
    public static final int CMD_READ = 0;
    /** Writes. */
    public static final int CMD_WRITE = 1;
    /** Ends the connection. */
    public static final int CMD_DISC = 2;
    /** Makes durable what was written. */
    public static final int CMD_FLUSH = 3;
    /** Discards. */
    public static final int CMD_TRIM = 4;
    /** Reads ahead. */
    public static final int CMD_CACHE = 5;
    /** Writes zeroes. */
    public static final int CMD_WRITE_ZEROES = 6;
    /** Asks what is allocated. */
    public static final int CMD_BLOCK_STATUS = 7;

    /** Durable when it is answered. */
    public static final int CMD_FLAG_FUA = 1;
    /** Zeroes that stay allocated. */
    public static final int CMD_FLAG_NO_HOLE = 1 << 1;
    /** One piece of data in the reply. */
    public static final int CMD_FLAG_DF = 1 << 2;
    /** One extent in the reply. */
    public static final int CMD_FLAG_REQ_ONE = 1 << 3;
    /** Zeroes only if they are faster than a write. */
    public static final int CMD_FLAG_FAST_ZERO = 1 << 4;
    /** The length is that of data behind the header; with extended headers only. */
    public static final int CMD_FLAG_PAYLOAD_LEN = 1 << 5;

    // ---- replies

    /** The first four bytes of a simple reply. */
    public static final int SIMPLE_REPLY_MAGIC = 0x6744_6698;
    /** The first four bytes of a structured reply. */
    public static final int STRUCTURED_REPLY_MAGIC = 0x668e_33ef;
    /** The first four bytes of an extended reply. */
    public static final int EXTENDED_REPLY_MAGIC = 0x6e8a_278c;
    /** A simple reply without its data. */
    public static final int SIMPLE_REPLY_BYTES = 16;
    /** A structured reply's header. */
    public static final int STRUCTURED_REPLY_BYTES = 20;
    /** An extended reply's header. */
    public static final int EXTENDED_REPLY_BYTES = 32;

    /** No more follows. */
    public static final int REPLY_FLAG_DONE = 1;
    /** Nothing. */
    public static final int REPLY_NONE = 0;
    /** Data. */
    public static final int REPLY_OFFSET_DATA = 1;
    /** Zeroes in place of data. */
    public static final int REPLY_OFFSET_HOLE = 2;
    /** Extents. */
    public static final int REPLY_BLOCK_STATUS = 5;
    /** Extents with lengths of 64 bits. */
    public static final int REPLY_BLOCK_STATUS_EXT = 6;
    /** Set in the type of each error. */
    public static final int REPLY_ERROR_BIT = 1 << 15;
    /** An error. */
    public static final int REPLY_ERROR = REPLY_ERROR_BIT + 1;
    /** An error at an offset. */
    public static final int REPLY_ERROR_OFFSET = REPLY_ERROR_BIT + 2;

    // ---- errors of transmission

    /** Not permitted. */
    public static final int EPERM = 1;
    /** I/O error. */
    public static final int EIO = 5;
    /** No memory. */
    public static final int ENOMEM = 12;
    /** Invalid request. */
    public static final int EINVAL = 22;
    /** No space. */
    public static final int ENOSPC = 28;
    /** Too long. */
    public static final int EOVERFLOW = 75;
    /** Not supported. */
    public static final int ENOTSUP = 95;
    /** The server is going. */
    public static final int ESHUTDOWN = 108;

    private Nbd() {}

    /**
     * What a command is called.
     *
     * @param command its number
     * @return for people
     */
    public static String commandName(int command) {
        return switch (command) {
            case CMD_READ -> "READ";
            case CMD_WRITE -> "WRITE";
            case CMD_DISC -> "DISC";
            case CMD_FLUSH -> "FLUSH";
            case CMD_TRIM -> "TRIM";
            case CMD_CACHE -> "CACHE";
            case CMD_WRITE_ZEROES -> "WRITE_ZEROES";
            case CMD_BLOCK_STATUS -> "BLOCK_STATUS";
            default -> "command " + command;
        };
    }
}
