package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.nullblk.BlockGather;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Cuts a write into the pieces that take effect one by one, as the faults that have struck it want them: fewer of them, at another place,
 * with bits turned over. Its data is copied, so that what becomes of the request's memory does not matter.
 */
final class PieceCutter {
    /** A discard or a write of zeroes may be of any length: of whole units, it has about so many pieces. */
    private static final int ZERO_PIECES = 64;

    private final int unitBytes;
    private final long capacityBytes;

    PieceCutter(int unitBytes, long capacityBytes) {
        this.unitBytes = unitBytes;
        this.capacityBytes = capacityBytes;
    }

    /** The pieces of a request that writes, in ascending order of where they were sent to. */
    List<VolatilePiece> cut(InFlight io, RandomGenerator random) {
        Verdict verdict = io.verdict;
        boolean torn = verdict.has(Fault.Kind.TORN);
        if (verdict.has(Fault.Kind.LOSE) || (verdict.status() != Status.OK && !torn)) {
            return List.of();
        }
        Pieces pieces = new Pieces(io);
        if (io.operation == Operation.WRITE) {
            pieces.addData(io.rq);
        } else {
            pieces.addZeroes();
        }
        if (verdict.has(Fault.Kind.FLIP_AT_REST)) {
            pieces.flip(verdict.amount(Fault.Kind.FLIP_AT_REST), random);
        }
        return List.copyOf(pieces.list);
    }

    /** Turns a bit over. */
    static void flip(byte[] bytes, RandomGenerator random) {
        int bit = random.nextInt(bytes.length * Byte.SIZE);
        bytes[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
    }

    private final class Pieces {
        private final InFlight io;
        private final List<VolatilePiece> list = new ArrayList<>();
        /** Where the device stops. */
        private final long end;

        Pieces(InFlight io) {
            this.io = io;
            long units = io.verdict.amount(Fault.Kind.TORN);
            long transferred = io.verdict.amount(Fault.Kind.SHORT);
            long until = io.offset + io.bytes;
            if (units >= 0) {
                until = Math.min(until, units == 0 ? io.offset : (io.offset / unitBytes + units) * unitBytes);
            }
            if (transferred >= 0) {
                until = Math.min(until, io.offset + transferred);
            }
            this.end = until;
        }

        void addData(Request rq) {
            rq.forEachSegment(new BlockGather(io.offset, io.bytes, unitBytes, (offset, bytes, length) -> {
                if (offset < end) {
                    place(offset, Arrays.copyOf(bytes, (int) Math.min(length, end - offset)));
                }
            }));
        }

        /** Puts data where it goes, which is where it was sent to unless it goes astray. */
        private void place(long sentTo, byte[] data) {
            long offset = Math.floorMod(sentTo + io.verdict.astrayBytes(), capacityBytes);
            int room = (int) Math.min(data.length, capacityBytes - offset);
            list.add(new VolatilePiece(io.number, list.size(), offset, room,
                    room == data.length ? data : Arrays.copyOf(data, room)));
            if (room < data.length) {
                byte[] rest = Arrays.copyOfRange(data, room, data.length);
                list.add(new VolatilePiece(io.number, list.size(), 0, rest.length, rest));
            }
        }

        void addZeroes() {
            long units = Math.max(1, io.bytes / unitBytes / ZERO_PIECES);
            long step = units * unitBytes;
            for (long offset = io.offset; offset < end;) {
                long length = Math.min(step - offset % unitBytes, end - offset);
                list.add(new VolatilePiece(io.number, list.size(), offset, length, null));
                offset += length;
            }
        }

        void flip(long bits, RandomGenerator random) {
            for (long i = 0; i < bits && !list.isEmpty(); i++) {
                byte[] data = list.get(random.nextInt(list.size())).data();
                if (data != null) {
                    PieceCutter.flip(data, random);
                }
            }
        }
    }
}
