package io.blkmq.loop;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** A form of I/O, with the memory that goes with it. */
enum DiskForm {
    /** One bio for all pieces of memory, which are the pool's. */
    BIO {
        @Override
        MemorySegment allocate(DiskMemory memory, long bytes) {
            return memory.pooled(bytes);
        }

        @Override
        void transfer(Disk disk, Operation operation, long offset, List<MemorySegment> pieces) throws Exception {
            Bio bio = new Bio(pieces.size()).reset(operation, offset / QueueLimits.SECTOR_BYTES);
            pieces.forEach(bio::add);
            CountDownLatch ended = told(List.of(bio));
            disk.submit(bio);
            await(disk, ended, List.of(bio));
        }

        @Override
        void writeZeroes(Disk disk, long offset, long bytes) throws Exception {
            Bio bio = zeroes(offset, bytes);
            CountDownLatch ended = told(List.of(bio));
            disk.submit(bio);
            await(disk, ended, List.of(bio));
        }
    },
    /** A bio for each piece of memory, all in one plug; the memory is the pool's. */
    PLUG {
        @Override
        MemorySegment allocate(DiskMemory memory, long bytes) {
            return memory.pooled(bytes);
        }

        @Override
        void transfer(Disk disk, Operation operation, long offset, List<MemorySegment> pieces) throws Exception {
            List<Bio> bios = new ArrayList<>();
            long at = offset;
            for (MemorySegment piece : pieces) {
                bios.add(new Bio().reset(operation, at / QueueLimits.SECTOR_BYTES).add(piece));
                at += piece.byteSize();
            }
            submit(disk, bios);
        }

        @Override
        void writeZeroes(Disk disk, long offset, long bytes) throws Exception {
            submit(disk, List.of(zeroes(offset, bytes)));
        }

        private static void submit(Disk disk, List<Bio> bios) throws Exception {
            CountDownLatch ended = told(bios);
            try (Plug plug = disk.plug()) {
                bios.forEach(plug::submit);
            }
            await(disk, ended, bios);
        }
    },
    /** A blocking call for each piece of memory, which is on the heap. */
    BLOCKING {
        @Override
        MemorySegment allocate(DiskMemory memory, long bytes) {
            return MemorySegment.ofArray(new byte[Math.toIntExact(bytes)]);
        }

        @Override
        void transfer(Disk disk, Operation operation, long offset, List<MemorySegment> pieces) throws Exception {
            long at = offset;
            for (MemorySegment piece : pieces) {
                if (operation == Operation.WRITE) {
                    disk.write(at, piece);
                } else {
                    disk.read(at, piece);
                }
                at += piece.byteSize();
            }
        }

        @Override
        void writeZeroes(Disk disk, long offset, long bytes) throws Exception {
            disk.writeZeroes(offset, bytes, false);
        }
    },
    /** A future for each piece of memory, which is a shared arena's; all at once. */
    FUTURE {
        @Override
        MemorySegment allocate(DiskMemory memory, long bytes) {
            return memory.shared(bytes);
        }

        @Override
        void transfer(Disk disk, Operation operation, long offset, List<MemorySegment> pieces) throws Exception {
            List<CompletableFuture<Void>> futures = new ArrayList<>();
            long at = offset;
            for (MemorySegment piece : pieces) {
                futures.add(
                        operation == Operation.WRITE ? disk.async().write(at, piece) : disk.async().read(at, piece));
                at += piece.byteSize();
            }
            for (CompletableFuture<Void> future : futures) {
                await(disk, future);
            }
        }

        @Override
        void writeZeroes(Disk disk, long offset, long bytes) throws Exception {
            await(disk, disk.async().writeZeroes(offset, bytes, false));
        }

        private static void await(Disk disk, CompletableFuture<Void> future) throws Exception {
            pollUntil(disk, future::isDone);
            try {
                future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw (Exception) e.getCause();
            }
        }
    };

    private static final long PATIENCE_SECONDS = 120;

    /** Memory of the kind that goes with the form. */
    abstract MemorySegment allocate(DiskMemory memory, long bytes);

    /** Reads or writes pieces of memory one behind the other, and waits for all. */
    abstract void transfer(Disk disk, Operation operation, long offset, List<MemorySegment> pieces) throws Exception;

    /** Writes zeroes, and waits. */
    abstract void writeZeroes(Disk disk, long offset, long bytes) throws Exception;

    private static Bio zeroes(long offset, long bytes) {
        return new Bio(0).reset(Operation.WRITE_ZEROES, offset / QueueLimits.SECTOR_BYTES).length(bytes);
    }

    private static CountDownLatch told(List<Bio> bios) {
        CountDownLatch ended = new CountDownLatch(bios.size());
        bios.forEach(bio -> bio.onEnd(_ -> ended.countDown()));
        return ended;
    }

    private static void await(Disk disk, CountDownLatch ended, List<Bio> bios) throws Exception {
        pollUntil(disk, () -> ended.getCount() == 0);
        if (!ended.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new TimeoutException(disk.name() + ": not ended in " + PATIENCE_SECONDS + " s: " + bios);
        }
        for (Bio bio : bios) {
            if (bio.status() == Status.NOTSUPP && bio.operation() == Operation.WRITE_ZEROES) {
                // A bio asks the device alone; the other forms write the zeroes as data then.
                DiskSetup.skipUnless(false, disk.name() + " has no operation that writes zeroes");
            } else if (bio.status() != Status.OK) {
                throw new BlockIOException(disk.name(), bio.operation(), bio.sector(), bio.bytes(), bio.status(), null);
            }
        }
    }

    /** Where nobody else finds completions. */
    private static void pollUntil(Disk disk, BooleanSupplier done) throws TimeoutException {
        long begin = System.nanoTime();
        while (disk.queue().isPolled() && !done.getAsBoolean()) {
            disk.poll();
            Thread.onSpinWait();
            if (System.nanoTime() - begin > TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
                throw new TimeoutException(disk.name() + ": nothing found in " + PATIENCE_SECONDS + " s");
            }
        }
    }
}
