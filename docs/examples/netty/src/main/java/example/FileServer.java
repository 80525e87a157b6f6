package example;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AsyncFile;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.FixedLengthFrameDecoder;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Serves parts of a file over TCP, from Netty's event loops, none of which ever waits for the disk. A request is an offset (8 bytes) and a
 * length (4); an answer is the number of bytes (4), fewer only at the end of the file, and the bytes. Answers come in the order of the
 * requests, however many are under way.
 */
public final class FileServer implements AutoCloseable {
    /** The largest part that may be asked for. */
    public static final int PART_MAX = 1 << 20;
    private static final int REQUEST_BYTES = 12;

    private final AioEngine engine;
    private final AsyncFile file;
    private final EventLoopGroup loops;
    private final Channel server;

    /** Opens a file for direct I/O, and serves it at a free port of the loopback interface. */
    public FileServer(Path path) throws IOException {
        // The last comes first.
        Deque<Runnable> opened = new ArrayDeque<>();
        try {
            engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "libaio", "channel");
            opened.push(engine::close);
            file = AsyncFile.open(engine, path, AioFile.Access.READ_ONLY, true);
            opened.push(file::close);
            loops = new NioEventLoopGroup(1);
            opened.push(() -> end(loops));
            server = new ServerBootstrap().group(loops).channel(NioServerSocketChannel.class)
                    .childHandler(new ChannelInitializer<>() {
                        @Override
                        protected void initChannel(Channel channel) {
                            channel.pipeline().addLast(new FixedLengthFrameDecoder(REQUEST_BYTES), new Parts());
                        }
                    }).bind(InetAddress.getLoopbackAddress(), 0).syncUninterruptibly().channel();
        } catch (Throwable t) {
            opened.forEach(Runnable::run);
            throw t;
        }
    }

    private static void end(EventLoopGroup loops) {
        loops.shutdownGracefully(0, 10, TimeUnit.SECONDS).syncUninterruptibly();
    }

    public InetSocketAddress address() {
        return (InetSocketAddress) server.localAddress();
    }

    /** The requests of one connection, which all belong to one event loop. */
    private final class Parts extends SimpleChannelInboundHandler<ByteBuf> {
        /** Done when the last answer has been handed to Netty. */
        private CompletableFuture<Void> answered = CompletableFuture.completedFuture(null);

        @Override
        protected void channelRead0(ChannelHandlerContext context, ByteBuf request) {
            long offset = request.readLong();
            int length = request.readInt();
            if (offset < 0 || length < 0 || length > PART_MAX) {
                context.close();
                return;
            }
            ByteBuf answer = context.alloc().directBuffer(Integer.BYTES + length);
            // The kernel, or the engine if it has to copy, writes where Netty will send from.
            MemorySegment part = MemorySegment.ofBuffer(answer.nioBuffer(Integer.BYTES, length));
            CompletableFuture<Long> read = file.readAsync(offset, part);
            // The read ends on a thread of the engine; the answer is written by the event loop.
            answered = answered.thenCombine(read, (_, bytes) -> bytes).handleAsync((bytes, failure) -> {
                if (failure != null) {
                    answer.release();
                    context.close();
                } else {
                    answer.writeInt(bytes.intValue()).writerIndex(Integer.BYTES + bytes.intValue());
                    context.writeAndFlush(answer);
                }
                return null;
            }, context.executor());
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            context.close();
        }
    }

    @Override
    public void close() {
        server.close().syncUninterruptibly();
        end(loops);
        // After the loops: nothing is submitted any more, and close waits for what is in flight.
        engine.close();
        file.close();
    }
}
