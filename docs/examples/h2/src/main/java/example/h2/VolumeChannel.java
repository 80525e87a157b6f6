package example.h2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import org.h2.store.fs.FileBaseDefault;

/** An open file of a volume, as H2 uses it. Any thread may read and write at places of its choice; the position is guarded by H2's class. */
final class VolumeChannel extends FileBaseDefault {
    private final String name;
    private final DiskVolume.File file;
    private final boolean writable;
    /** Whether each write is durable when it returns. */
    private final boolean durable;
    private FileLock lock;

    VolumeChannel(String name, DiskVolume.File file, boolean writable, boolean durable) {
        this.name = name;
        this.file = file;
        this.writable = writable;
        this.durable = durable;
    }

    private void require(boolean write) throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        if (write && !writable) {
            throw new NonWritableChannelException();
        }
    }

    @Override
    public long size() throws IOException {
        require(false);
        return file.size();
    }

    @Override
    @SuppressWarnings("sync-override")
    public int read(ByteBuffer target, long at) throws IOException {
        require(false);
        return file.read(target, at);
    }

    @Override
    public int write(ByteBuffer source, long at) throws IOException {
        require(true);
        int written = file.write(source, at);
        if (durable) {
            file.sync();
        }
        return written;
    }

    @Override
    protected void implTruncate(long size) throws IOException {
        require(true);
        file.truncate(size);
    }

    @Override
    public void force(boolean metaData) throws IOException {
        require(false);
        file.sync();
    }

    /** The whole file, towards others of this process: no other process has the disk. */
    @Override
    public synchronized FileLock tryLock(long position, long size, boolean shared) throws IOException {
        require(false);
        if (!file.tryLock()) {
            return null;
        }
        lock = new FileLock(this, position, size, shared) {
            private boolean released;

            @Override
            public boolean isValid() {
                return !released && isOpen();
            }

            @Override
            public void release() {
                if (!released) {
                    released = true;
                    file.unlock();
                }
            }
        };
        return lock;
    }

    @Override
    protected synchronized void implCloseChannel() throws IOException {
        if (lock != null) {
            lock.release();
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
