package io.blkmq.runtime.channel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.channels.FileLock;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** A lock that is cancelled in the moment in which the system gives it. */
class CancelledLockTest {

    /** Nobody gets a lock that has been given back: either the lock comes, and stays, or the operation is cancelled. */
    @Test
    void aLockThatIsGivenBackIsNotHandedOut() throws Exception {
        try (Channel channel = new Channel()) {
            Future<FileLock> asked = channel.lock(0, 10, false);
            assertThat(asked).isNotDone();
            channel.isFree = true;
            assertThat(channel.waiting().askSystem()).isTrue();
            // Between the system's answer and the news of it, which comes as soon as the lock is given back.
            assertThat(asked.cancel(false)).isTrue();
            assertThat(channel.unlocked).isOne();
            assertThat(asked.isCancelled()).isTrue();
            assertThatThrownBy(asked::get).isInstanceOf(CancellationException.class);
            FileLock next = channel.lock(5, 10, false).get();
            assertThat(next.isValid()).as("the range is free").isTrue();
        }
    }

    @Test
    void aLockThatHasComeIsNotGivenBackByWhoCancelsIt() throws Exception {
        try (Channel channel = new Channel()) {
            Future<FileLock> asked = channel.lock(0, 10, false);
            channel.isFree = true;
            assertThat(channel.waiting().askSystem()).isTrue();
            channel.tell();
            assertThat(asked.cancel(true)).isFalse();
            assertThat(asked.get().isValid()).isTrue();
            assertThat(channel.unlocked).isZero();
            assertThat(channel.isOpen()).isTrue();
        }
    }

    /** There is no thread that could ask for it, say. */
    @Test
    void aLockThatCannotBeWaitedForLeavesItsRangeFree() throws Exception {
        try (Channel channel = new Channel()) {
            channel.waits = false;
            assertThatThrownBy(() -> channel.lock(0, 10, false)).isInstanceOf(OutOfMemoryError.class);
            channel.isFree = true;
            assertThat(channel.tryLock(5, 10, false)).isNotNull();
        }
    }

    /** A channel whose system has one lock, and of which somebody else tells when that has come. One thread uses it. */
    private static final class Channel extends OpenAsynchronousFileChannel {
        private final FileLockTable locks = new FileLockTable();
        private FileLockTable.@Nullable RangeLock waiting;
        private @Nullable AsyncResult<FileLock> waiter;
        boolean isFree;
        boolean waits = true;
        int unlocked;
        private final SystemLocks system = new SystemLocks() {
            @Override
            public boolean tryLock(long position, long bytes, boolean shared) {
                return isFree;
            }

            @Override
            public void unlock(long position, long bytes) {
                unlocked++;
                tell();
            }
        };

        FileLockTable.RangeLock waiting() {
            FileLockTable.RangeLock lock = waiting;
            if (lock == null) {
                throw new AssertionError("nobody waits");
            }
            return lock;
        }

        void tell() {
            AsyncResult<FileLock> result = waiter;
            if (result != null) {
                result.completed(waiting(), false);
            }
        }

        @Override
        protected void awaitLock(FileLockTable.RangeLock lock, AsyncResult<FileLock> result) {
            if (!waits) {
                throw new OutOfMemoryError("unable to create native thread");
            }
            waiting = lock;
            waiter = result;
        }

        @Override
        protected <V> OperationFuture<V> newFuture() {
            return new Outcome<>();
        }

        @Override
        protected FileLockTable locks() {
            return locks;
        }

        @Override
        protected SystemLocks systemLocks() {
            return system;
        }

        @Override
        protected void requireReadable() {
            // It is.
        }

        @Override
        protected void requireWritable() {
            // It is.
        }

        @Override
        protected void begin(boolean write, ByteBuffer buffer, long position, AsyncResult<Integer> result) {
            throw new UnsupportedOperationException();
        }

        @Override
        protected void call(Runnable handler, boolean here) {
            handler.run();
        }

        @Override
        protected long currentSize() {
            throw new UnsupportedOperationException();
        }

        @Override
        protected void cut(long size) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void force(boolean metaData) {
            throw new UnsupportedOperationException();
        }

        @Override
        protected void closeOwn() {
            waiter = null;
        }
    }

    private static final class Outcome<V> extends OperationFuture<V> {
        @Override
        protected String what() {
            return "a lock";
        }

        @Override
        protected void requireMayWait() {
            // Any thread may.
        }

        @Override
        protected long nanoTime() {
            return System.nanoTime();
        }

        @Override
        protected void park(int looks, long leftNanos) {
            LockSupport.park(this);
        }

        @Override
        protected void unparkAll(List<Thread> threads) {
            threads.forEach(LockSupport::unpark);
        }
    }
}
