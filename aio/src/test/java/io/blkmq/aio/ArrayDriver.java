package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A driver as another module has one, of public parts alone: files are arrays, and one thread carries operations out. */
final class ArrayDriver implements EngineDriver {
    static final String NAME = "arrays";

    private static final Map<Path, byte[]> FILES = new ConcurrentHashMap<>();
    private static final AtomicInteger COUNT = new AtomicInteger();

    private final BlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Queue<Runnable> ended = new ConcurrentLinkedQueue<>();
    /** Has a permit if there may be something to reap, or somebody has woken who waits. */
    private final Semaphore news = new Semaphore(0);
    private final Thread worker;
    /** The worker's. */
    private boolean over;
    private Ended to = (_, _) -> {};

    ArrayDriver() {
        worker = Thread.ofPlatform().daemon().name("arrays").start(this::work);
    }

    static Path make(byte[] content) {
        Path path = Path.of("array:" + COUNT.incrementAndGet());
        FILES.put(path, content.clone());
        return path;
    }

    static void remove(Path path) {
        FILES.remove(path);
    }

    private void work() {
        try {
            while (!over) {
                work.take().run();
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<AioOperation> operations() {
        return EnumSet.complementOf(EnumSet.of(AioOperation.ALLOCATE));
    }

    @Override
    public Class<? extends DrivenFile> files() {
        return ArrayFile.class;
    }

    @Override
    public AioFile open(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options)
            throws IOException {
        byte[] bytes = FILES.get(path);
        if (bytes == null) {
            throw new NoSuchFileException(path.toString());
        }
        return new ArrayFile(path, access, direct, bytes);
    }

    @Override
    public void begin(Kiocb kiocb) {
        work.add(() -> {
            long result = ((ArrayFile) kiocb.file()).carryOut(kiocb);
            ended.add(() -> to.ended(kiocb, result));
            news.release();
        });
    }

    @Override
    public void reap(Ended told) {
        to = told;
        for (Runnable one = ended.poll(); one != null; one = ended.poll()) {
            one.run();
        }
    }

    @Override
    public void await(long timeoutNanos) {
        boolean interrupted = false;
        try {
            boolean _ = news.tryAcquire(timeoutNanos, TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        int _ = news.drainPermits();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void wake() {
        news.release();
    }

    @Override
    public void hasten() {
        // It is quick.
    }

    @Override
    public void close() {
        work.add(() -> over = true);
        try {
            worker.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** A file that does not grow. */
    private static final class ArrayFile extends DrivenFile {
        private final byte[] bytes;

        ArrayFile(Path path, Access access, boolean direct, byte[] bytes) {
            super(path, access, direct, 1, 4096);
            this.bytes = bytes;
        }

        long carryOut(Kiocb kiocb) {
            return switch (kiocb.operation()) {
                case READ -> readInto(kiocb);
                case WRITE -> writeFrom(kiocb);
                case FSYNC, FDATASYNC, ALLOCATE -> 0;
                case PUNCH_HOLE, ZERO_RANGE -> zero(kiocb.offset(), kiocb.bytes());
            };
        }

        private long readInto(Kiocb kiocb) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment read = arena.allocate(Math.max(1, kiocb.bytes()));
                return kiocb.scatter(read, copyOut(kiocb.offset(), read.asSlice(0, kiocb.bytes())));
            }
        }

        @SuppressWarnings("restricted")
        private long writeFrom(Kiocb kiocb) {
            if (kiocb.offset() + kiocb.bytes() > bytes.length) {
                return -Errno.ENOSPC;
            }
            long at = kiocb.offset();
            for (int i = 0; i < kiocb.segments(); i++) {
                long address = kiocb.iovecs().get(ValueLayout.JAVA_LONG, 16L * i);
                long length = kiocb.iovecs().get(ValueLayout.JAVA_LONG, 16L * i + 8);
                at += write(at, MemorySegment.ofAddress(address).reinterpret(length));
            }
            return kiocb.bytes();
        }

        private int zero(long offset, long length) {
            if (length == 0) {
                return -Errno.EINVAL;
            }
            if (offset > Long.MAX_VALUE - length) {
                return -Errno.EFBIG;
            }
            int from = (int) Math.min(offset, bytes.length);
            Arrays.fill(bytes, from, (int) Math.min(offset + length, bytes.length), (byte) 0);
            return 0;
        }

        @Override
        public long size() throws IOException {
            if (isClosed()) {
                throw new IOException(path() + ": is closed");
            }
            return bytes.length;
        }

        @Override
        public boolean supports(AioOperation operation) {
            return operation != AioOperation.ALLOCATE
                    && (isWritable() || operation == AioOperation.READ || operation.name().endsWith("SYNC"));
        }

        @Override
        public long read(long offset, MemorySegment memory) {
            if (offset < 0 || !memory.isNative()) {
                throw new IllegalArgumentException("heap memory, or offset " + offset);
            }
            if (isClosed()) {
                return -Errno.EBADF;
            }
            return copyOut(offset, memory);
        }

        private long copyOut(long offset, MemorySegment memory) {
            int length = Math.clamp(bytes.length - offset, 0, (int) memory.byteSize());
            if (length > 0) {
                MemorySegment.copy(bytes, (int) offset, memory, ValueLayout.JAVA_BYTE, 0, length);
            }
            return length;
        }

        @Override
        public long write(long offset, MemorySegment memory) {
            if (!isWritable()) {
                return -Errno.EBADF;
            }
            if (offset + memory.byteSize() > bytes.length) {
                return -Errno.ENOSPC;
            }
            MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, 0, bytes, (int) offset, (int) memory.byteSize());
            return memory.byteSize();
        }

        @Override
        public int sync(boolean dataOnly) {
            return isClosed() ? -Errno.EBADF : 0;
        }

        @Override
        public int setSize(long size) {
            return -Errno.EOPNOTSUPP;
        }

        @Override
        public int punchHole(long offset, long length) {
            return zero(offset, length);
        }

        @Override
        public int zeroRange(long offset, long length, boolean keepSize) {
            return zero(offset, length);
        }

        @Override
        public boolean tryLock(boolean exclusive) {
            return true;
        }

        @Override
        public boolean isSameFile(AioFile other) {
            return other instanceof ArrayFile file && file.path().equals(path());
        }

        @Override
        public AioFile reopen(boolean direct) {
            return new ArrayFile(path(), Access.READ_WRITE_SHARED, direct, bytes);
        }

        @Override
        protected void closeStorage() {
            // Nothing is open.
        }
    }
}
