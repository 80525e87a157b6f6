package io.blkmq.runtime.channel;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.WritableByteChannel;

/**
 * How one call of {@link FileChannel#transferTo} or {@link FileChannel#transferFrom} ends: as the JDK's transfers of a file do, each kind of
 * channel on the other side by itself.
 *
 * <pre>
 *   fails, or either is closed    bytes have moved: their count, and the next call tells why. None: the error,
 *                                 an {@link AsynchronousCloseException} if a channel was closed
 *   interrupt, none have moved    both channels are closed; {@link ClosedByInterruptException}
 *   interrupt, some have moved    the same, if the other is a file, or is written to and selectable (a pipe, a socket): the JDK has the
 *                                 kernel do these as one. Else their count, and the channel that was in use is closed
 * </pre>
 */
public final class TransferRules {
    private TransferRules() {}

    /**
     * Whether an interrupt ends the whole of a transfer to a channel, also when bytes have moved.
     *
     * @param target is written to
     * @return false if their count is told
     */
    public static boolean isOne(WritableByteChannel target) {
        return target instanceof FileChannel || target instanceof SelectableChannel;
    }

    /**
     * Whether an interrupt ends the whole of a transfer from a channel, also when bytes have moved.
     *
     * @param source is read
     * @return false if their count is told
     */
    public static boolean isOne(ReadableByteChannel source) {
        return source instanceof FileChannel;
    }

    /**
     * How much of a source there is now, if it is a file: the JDK does not look again when the transfer makes its own source longer.
     *
     * @param source is read
     * @param wanted bytes
     * @return bytes, as many as wanted at the most
     * @throws IOException if the source does not tell
     */
    public static long there(ReadableByteChannel source, long wanted) throws IOException {
        return source instanceof FileChannel file ? Math.clamp(file.size() - file.position(), 0, wanted) : wanted;
    }

    /**
     * What was taken and could not be written is there again for the next call, if the source can go back.
     *
     * @param source was read
     * @param bytes that were not written
     * @throws IOException if it fails to
     */
    public static void giveBack(ReadableByteChannel source, int bytes) throws IOException {
        if (bytes > 0 && source instanceof SeekableByteChannel seekable && seekable.isOpen()
                && !Thread.currentThread().isInterrupted()) {
            seekable.position(seekable.position() - bytes);
        }
    }

    /**
     * Ends a transfer that has failed.
     *
     * @param failure why
     * @param done bytes that have moved
     * @param isOne whether an interrupt ends the whole
     * @param mine the channel whose transfer it is
     * @param other the channel on the other side
     * @return how many bytes have moved, if that is what is told
     * @throws IOException otherwise
     */
    public static long ended(IOException failure, long done, boolean isOne, Channel mine, Channel other)
            throws IOException {
        boolean interrupted = failure instanceof ClosedByInterruptException;
        if (done > 0 && !(interrupted && isOne)) {
            return done;
        }
        if (interrupted) {
            close(mine, failure);
            close(other, failure);
        } else if (failure instanceof ClosedChannelException && !(failure instanceof AsynchronousCloseException)) {
            AsynchronousCloseException closedMeanwhile = new AsynchronousCloseException();
            closedMeanwhile.addSuppressed(failure);
            throw closedMeanwhile;
        }
        throw failure;
    }

    private static void close(Channel channel, IOException because) {
        try {
            channel.close();
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }
}
