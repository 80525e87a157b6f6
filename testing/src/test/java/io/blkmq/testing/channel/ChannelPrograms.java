package io.blkmq.testing.channel;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.zip.CRC32;

/** Random calls of several channels of one file that grows and shrinks, with all that can be seen of each. The same seed makes the same calls. */
public final class ChannelPrograms {
    private static final int STEPS = 150;
    private static final int REACH = 300_000;
    private static final int BLOCK = 4096;

    private final Random random;
    private final FileChannel both;
    private final FileChannel other;
    private final FileChannel appending;
    private final FileChannel reading;

    private ChannelPrograms(Random random, FileChannel both, FileChannel other, FileChannel appending,
            FileChannel reading) {
        this.random = random;
        this.both = both;
        this.other = other;
        this.appending = appending;
        this.reading = reading;
    }

    /** Runs a program on a file that exists, and returns what each call answered and what the file has in the end. */
    public static List<String> answers(FileOpener opener, Path path, long seed) throws IOException {
        List<String> answers = new ArrayList<>();
        try (FileChannel both = opener.open(path, READ, WRITE);
                FileChannel other = opener.open(path, READ, WRITE);
                FileChannel appending = opener.open(path, APPEND);
                FileChannel reading = opener.open(path, READ)) {
            ChannelPrograms program = new ChannelPrograms(new Random(seed), both, other, appending, reading);
            for (int step = 0; step < STEPS; step++) {
                answers.add(step + ", " + program.step());
            }
            ByteBuffer all = ByteBuffer.allocate((int) reading.size());
            while (all.hasRemaining() && reading.read(all, all.position()) > 0) {
                // On to the end.
            }
            answers.add("content of " + all.capacity() + ": " + Arrays.hashCode(all.array()));
        }
        return answers;
    }

    private String step() throws IOException {
        int choice = random.nextInt(18);
        long at = at();
        FileChannel channel = random.nextBoolean() ? both : other;
        ByteBuffer buffer = buffer();
        ByteBuffer[] row = {buffer(), buffer(), buffer()};
        String call = choice + " of " + buffer.remaining() + " at " + at + ": ";
        String answer;
        try {
            answer = String.valueOf(call(choice, at, channel, buffer, row));
        } catch (Exception e) {
            answer = ChannelContract.name(e);
        }
        return call + answer + ", position " + both.position() + " " + other.position() + " " + appending.position()
                + " " + reading.position() + ", size " + reading.size() + ", " + state(buffer) + " " + state(row[0])
                + " " + state(row[1]) + " " + state(row[2]);
    }

    private Object call(int choice, long at, FileChannel channel, ByteBuffer buffer, ByteBuffer[] row)
            throws IOException {
        return switch (choice) {
            case 0 -> channel.read(buffer, at);
            case 1, 2 -> channel.write(buffer, at);
            case 3 -> channel.position(at).read(buffer);
            case 4 -> channel.position(at).write(buffer);
            case 5 -> channel.read(row);
            case 6 -> channel.write(row);
            case 7 -> channel.read(row, 1, 2);
            case 8 -> channel.write(row, 1, 2);
            case 9 -> appending.write(buffer);
            case 10 -> appending.write(row);
            case 11 -> appending.write(buffer, at);
            case 12 -> channel.truncate(at).size();
            case 13 -> {
                ByteArrayOutputStream taken = new ByteArrayOutputStream();
                long moved = channel.transferTo(at, buffer.remaining(), Channels.newChannel(taken));
                yield moved + " " + Arrays.hashCode(taken.toByteArray());
            }
            case 14 -> {
                byte[] given = new byte[buffer.remaining()];
                random.nextBytes(given);
                yield channel.transferFrom(Channels.newChannel(new ByteArrayInputStream(given)), at, given.length);
            }
            case 15 -> {
                reading.position(at());
                yield channel.transferFrom(reading, at + REACH, 1 + random.nextInt(5000));
            }
            case 16 -> {
                channel.force(random.nextBoolean());
                yield reading.read(buffer);
            }
            default -> reading.write(buffer);
        };
    }

    private long at() {
        long at = random.nextInt(REACH);
        return random.nextInt(3) == 0 ? at / BLOCK * BLOCK : at;
    }

    /** Of the heap or not, aligned or not, whole blocks or not, long or short. */
    private ByteBuffer buffer() {
        int length = switch (random.nextInt(8)) {
            case 0 -> 0;
            case 1, 2 -> BLOCK * (1 + random.nextInt(8));
            case 3 -> random.nextInt(random.nextInt(10) == 0 ? 3_000_000 : 100_000);
            default -> random.nextInt(5000);
        };
        byte[] bytes = new byte[length];
        // Of eight bytes at a time.
        new SplittableRandom(random.nextLong()).nextBytes(bytes);
        if (random.nextBoolean()) {
            return ByteBuffer.wrap(bytes);
        }
        int from = random.nextBoolean() ? 0 : random.nextInt(BLOCK);
        // Of a length that does not depend on where it lies.
        ByteBuffer direct = ByteBuffer.allocateDirect(length + 3 * BLOCK).alignedSlice(BLOCK).slice(0, from + length);
        return direct.position(from).put(bytes).position(from);
    }

    private static String state(ByteBuffer buffer) {
        CRC32 sum = new CRC32();
        sum.update(buffer.duplicate().clear());
        return buffer.position() + "/" + buffer.limit() + ":" + sum.getValue();
    }
}
