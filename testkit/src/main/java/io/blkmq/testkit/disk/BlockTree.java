package io.blkmq.testkit.disk;

import io.blkmq.core.QueueLimits;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The content of a disk, of which copies cost nothing: a tree of blocks that copies share until one of them writes there. Blocks that
 * were never written are not there and read as zeroes.
 *
 * <p>A node or block may be changed in place by the one tree that made it since its last {@link #share}: its token says so. All others
 * are never changed again, and any thread may read them. A tree itself is for one thread at a time.
 *
 * <p>Each node and block remembers its part of the {@link #fingerprint} until it changes, so that asking again costs as much as was
 * written in between.
 */
final class BlockTree {
    static final int BLOCK_BYTES = 4096;
    private static final int BLOCK_SECTORS = BLOCK_BYTES / QueueLimits.SECTOR_BYTES;
    private static final int FAN_OUT_BITS = 5;
    private static final int FAN_OUT = 1 << FAN_OUT_BITS;

    /** Sees a block. */
    @FunctionalInterface
    interface BlockVisitor {
        void block(long offset, byte[] bytes) throws IOException;
    }

    /** Says whose a node or block is: it is made anew whenever a tree shares what it has. */
    private static final class Token {}

    /** A node or a block, with what it adds to the fingerprint once that is known. */
    private abstract static sealed class Part {
        final Token owner;
        /** Written without order: whoever does not see it works it out again, to the same value. */
        @Nullable
        ImageFingerprint sum;

        Part(Token owner) {
            this.owner = owner;
        }
    }

    private static final class Block extends Part {
        final byte[] bytes;

        Block(Token owner, byte[] bytes) {
            super(owner);
            this.bytes = bytes;
        }
    }

    private static final class Node extends Part {
        final @Nullable Part[] parts;

        Node(Token owner, @Nullable Part[] parts) {
            super(owner);
            this.parts = parts;
        }
    }

    private final long sizeBytes;
    /** How many nodes stand above each block. */
    private final int depth;
    private Node root;
    private Token token = new Token();

    private BlockTree(long sizeBytes, Node root) {
        this.sizeBytes = sizeBytes;
        this.root = root;
        int levels = 1;
        for (long blocks = blocksOf(sizeBytes); blocks > FAN_OUT; blocks = (blocks + FAN_OUT - 1) >>> FAN_OUT_BITS) {
            levels++;
        }
        this.depth = levels;
    }

    /** All zeroes. */
    static BlockTree zeroes(long sizeBytes) {
        return new BlockTree(sizeBytes, new Node(new Token(), new @Nullable Part[FAN_OUT]));
    }

    /** A copy: what is written to one is not written to the other. */
    BlockTree copy() {
        share();
        return new BlockTree(sizeBytes, root);
    }

    /** Becomes a copy of another of the same size. */
    void become(BlockTree other) {
        assert sizeBytes == other.sizeBytes;
        other.share();
        share();
        root = other.root;
    }

    /** Nothing that is there now is changed in place any more. */
    private void share() {
        token = new Token();
    }

    long sizeBytes() {
        return sizeBytes;
    }

    private static long blocksOf(long bytes) {
        return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    }

    // ---- reading

    void read(long offset, MemorySegment to, long at, long length) {
        for (long done = 0; done < length;) {
            int within = (int) ((offset + done) % BLOCK_BYTES);
            long step = Math.min(BLOCK_BYTES - within, length - done);
            byte @Nullable [] bytes = block((offset + done) / BLOCK_BYTES);
            if (bytes == null) {
                to.asSlice(at + done, step).fill((byte) 0);
            } else {
                MemorySegment.copy(MemorySegment.ofArray(bytes), within, to, at + done, step);
            }
            done += step;
        }
    }

    private byte @Nullable [] block(long index) {
        Part part = root;
        for (int level = depth - 1; part instanceof Node node; level--) {
            part = node.parts[slot(index, level)];
        }
        return part instanceof Block block ? block.bytes : null;
    }

    private static int slot(long index, int level) {
        return (int) (index >>> (level * FAN_OUT_BITS)) & (FAN_OUT - 1);
    }

    /** Shows all blocks that are there, in ascending order, with their offsets. */
    void forEachBlock(BlockVisitor visitor) throws IOException {
        forEachBlock(root, depth - 1, 0, visitor);
    }

    private static void forEachBlock(Node node, int level, long firstIndex, BlockVisitor visitor) throws IOException {
        for (int slot = 0; slot < FAN_OUT; slot++) {
            long index = firstIndex + ((long) slot << (level * FAN_OUT_BITS));
            switch (node.parts[slot]) {
                case Block block -> visitor.block(index * BLOCK_BYTES, block.bytes);
                case Node below -> forEachBlock(below, level - 1, index, visitor);
                case null -> {
                }
            }
        }
    }

    // ---- writing

    /** Writes a part of an array. */
    void write(long offset, byte[] from, int at, int length) {
        for (int done = 0; done < length;) {
            int within = (int) ((offset + done) % BLOCK_BYTES);
            int step = Math.min(BLOCK_BYTES - within, length - done);
            byte[] bytes = ownBlock((offset + done) / BLOCK_BYTES, step == BLOCK_BYTES);
            System.arraycopy(from, at + done, bytes, within, step);
            done += step;
        }
    }

    void zero(long offset, long length) {
        long end = offset + length;
        long firstWhole = (offset + BLOCK_BYTES - 1) / BLOCK_BYTES;
        long endWhole = end / BLOCK_BYTES;
        if (firstWhole >= endWhole) {
            zeroWithin(offset, Math.min(end, firstWhole * BLOCK_BYTES));
            zeroWithin(Math.min(end, firstWhole * BLOCK_BYTES), end);
            return;
        }
        zeroWithin(offset, firstWhole * BLOCK_BYTES);
        root = removed(root, depth - 1, 0, firstWhole, endWhole);
        zeroWithin(endWhole * BLOCK_BYTES, end);
    }

    /** A range within one block. */
    private void zeroWithin(long from, long end) {
        if (from < end && block(from / BLOCK_BYTES) != null) {
            byte[] bytes = ownBlock(from / BLOCK_BYTES, false);
            int within = (int) (from % BLOCK_BYTES);
            Arrays.fill(bytes, within, within + (int) (end - from), (byte) 0);
        }
    }

    /** A node without some whole blocks. */
    private Node removed(Node node, int level, long firstIndex, long from, long end) {
        Node own = own(node);
        for (int slot = 0; slot < FAN_OUT; slot++) {
            long first = firstIndex + ((long) slot << (level * FAN_OUT_BITS));
            long last = first + (1L << (level * FAN_OUT_BITS));
            if (first >= from && last <= end) {
                own.parts[slot] = null;
            } else if (last > from && first < end && own.parts[slot] instanceof Node below) {
                own.parts[slot] = removed(below, level - 1, first, from, end);
            }
        }
        return own;
    }

    /** The bytes of a block, to be changed. */
    private byte[] ownBlock(long index, boolean willBeOverwritten) {
        Node node = own(root);
        root = node;
        for (int level = depth - 1; level > 0; level--) {
            int slot = slot(index, level);
            Node below = node.parts[slot] instanceof Node found
                    ? own(found)
                    : new Node(token, new @Nullable Part[FAN_OUT]);
            node.parts[slot] = below;
            node = below;
        }
        int slot = slot(index, 0);
        if (node.parts[slot] instanceof Block found) {
            if (found.owner == token) {
                found.sum = null;
                return found.bytes;
            }
            Block copy = new Block(token, willBeOverwritten ? new byte[BLOCK_BYTES] : found.bytes.clone());
            node.parts[slot] = copy;
            return copy.bytes;
        }
        Block fresh = new Block(token, new byte[BLOCK_BYTES]);
        node.parts[slot] = fresh;
        return fresh.bytes;
    }

    private Node own(Node node) {
        if (node.owner != token) {
            return new Node(token, node.parts.clone());
        }
        node.sum = null;
        return node;
    }

    // ---- the fingerprint

    /** Equal for equal content of equal size. */
    ImageFingerprint fingerprint() {
        ImageFingerprint sum = sumOf(root, depth - 1, 0);
        return new ImageFingerprint(sum.high() + SectorHash.mix(sizeBytes), sum.low() ^ sizeBytes);
    }

    private static ImageFingerprint sumOf(Part part, int level, long firstIndex) {
        ImageFingerprint known = part.sum;
        if (known != null) {
            return known;
        }
        SectorHash hash = new SectorHash();
        switch (part) {
            case Block block -> hash.add(block.bytes, firstIndex * BLOCK_SECTORS);
            case Node node -> {
                for (int slot = 0; slot < FAN_OUT; slot++) {
                    Part below = node.parts[slot];
                    if (below != null) {
                        hash.add(sumOf(below, level - 1, firstIndex + ((long) slot << (level * FAN_OUT_BITS))));
                    }
                }
            }
        }
        ImageFingerprint sum = hash.sum();
        part.sum = sum;
        return sum;
    }
}
