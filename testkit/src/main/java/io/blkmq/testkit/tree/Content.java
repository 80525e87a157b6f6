package io.blkmq.testkit.tree;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of a file. A page that is not there reads as zeroes, and what a page has beyond the size is zero, but for what was poked
 * there. Guarded by the lock of the tree.
 */
final class Content {
    /** Tells a file from a link whose target has the fingerprint of the data. */
    private static final long TAG = 1;

    private final LongTrie<Page> pages;
    private long size;
    /** Whether pages may have something beyond the size, until it is trimmed. */
    private boolean beyond;
    /** Null after a change. Several threads may compute it: all find the same, and it is immutable. */
    private @Nullable Fingerprint digest;

    Content() {
        this.pages = new LongTrie<>();
    }

    private Content(Content other) {
        this.pages = other.pages.copy();
        this.size = other.size;
        this.beyond = other.beyond;
        this.digest = other.digest;
    }

    Content copy() {
        return new Content(this);
    }

    long size() {
        return size;
    }

    long pages() {
        return pages.size();
    }

    Fingerprint digest() {
        Fingerprint known = digest;
        if (known == null) {
            known = pages.sum(Content::summand).and(size).and(TAG);
            digest = known;
        }
        return known;
    }

    private static Fingerprint summand(long index, Page page) {
        Fingerprint digest = page.digest();
        return digest.equals(Fingerprint.ZERO) ? digest : digest.and(index);
    }

    /** Copies into a segment what there is of it; returns how much that is. */
    long read(long offset, MemorySegment target) {
        long length = Math.clamp(size - offset, 0, target.byteSize());
        for (long done = 0; done < length;) {
            int within = (int) ((offset + done) % Page.BYTES);
            int count = (int) Math.min(Page.BYTES - within, length - done);
            Page page = pages.get((offset + done) / Page.BYTES);
            if (page == null) {
                target.asSlice(done, count).fill((byte) 0);
            } else {
                MemorySegment.copy(page.bytes(), within, target, ValueLayout.JAVA_BYTE, done, count);
            }
            done += count;
        }
        return length;
    }

    /** How many pages of a range, within the first so many bytes of it, do not exist yet. */
    long missing(long offset, long length) {
        long count = 0;
        for (long index = offset / Page.BYTES; index * Page.BYTES < offset + length; index++) {
            count += pages.get(index) == null ? 1 : 0;
        }
        return count;
    }

    /** How much of a range can be written if only so many pages may come into being. */
    long writable(long offset, long length, long pagesMax) {
        long left = pagesMax;
        for (long index = offset / Page.BYTES; index * Page.BYTES < offset + length; index++) {
            if (pages.get(index) == null && left-- == 0) {
                return Math.max(0, index * Page.BYTES - offset);
            }
        }
        return length;
    }

    /** Writes; the file grows where that ends beyond its size. */
    void write(Owner owner, long offset, MemorySegment source, long from, long length) {
        digest = null;
        for (long done = 0; done < length;) {
            int within = (int) ((offset + done) % Page.BYTES);
            int count = (int) Math.min(Page.BYTES - within, length - done);
            byte[] bytes = modify(owner, (offset + done) / Page.BYTES);
            MemorySegment.copy(source, ValueLayout.JAVA_BYTE, from + done, bytes, within, count);
            done += count;
        }
        size = Math.max(size, offset + length);
    }

    /** Writes; the size stays. What is beyond it is seen when the file grows, unless it is trimmed before. */
    void poke(Owner owner, long offset, MemorySegment source, long from, long length) {
        long before = size;
        write(owner, offset, source, from, length);
        beyond |= size > before;
        size = before;
    }

    boolean isBeyond() {
        return beyond;
    }

    /** Forgets what is beyond the size. */
    void trim(Owner owner) {
        beyond = false;
        zero(owner, size, Long.MAX_VALUE - size);
    }

    private byte[] modify(Owner owner, long index) {
        Page before = pages.get(index);
        Page page = before == null ? Page.empty(owner) : before.of(owner);
        pages.put(owner, index, page);
        return page.modified();
    }

    /** Reserves space. The size stays. */
    void reserve(Owner owner, long offset, long length) {
        for (long index = offset / Page.BYTES; index * Page.BYTES < offset + length; index++) {
            if (pages.get(index) == null) {
                pages.put(owner, index, Page.ZEROES);
            }
        }
    }

    /** Sets the size; what is beyond is gone. */
    void resize(Owner owner, long newSize) {
        digest = null;
        if (newSize <= size) {
            size = newSize;
            trim(owner);
        }
        size = newSize;
    }

    /** Makes a range read as zeroes, and gives whole pages back. */
    void zero(Owner owner, long offset, long length) {
        digest = null;
        long end = offset + length;
        long firstWhole = Math.ceilDiv(offset, Page.BYTES);
        long endWhole = end / Page.BYTES;
        if (firstWhole > endWhole) {
            zeroWithin(owner, offset, end);
            return;
        }
        zeroWithin(owner, offset, firstWhole * Page.BYTES);
        if (end < size) {
            zeroWithin(owner, endWhole * Page.BYTES, end);
        } else {
            endWhole = LongTrie.KEY_MAX;
        }
        for (long index : between(firstWhole, endWhole)) {
            pages.remove(owner, index);
        }
    }

    private void zeroWithin(Owner owner, long from, long to) {
        if (from < to && pages.get(from / Page.BYTES) != null) {
            int within = (int) (from % Page.BYTES);
            Arrays.fill(modify(owner, from / Page.BYTES), within, within + (int) (to - from), (byte) 0);
        }
    }

    private List<Long> between(long first, long end) {
        List<Long> found = new ArrayList<>();
        pages.forEach(first, (index, _) -> index < end && found.add(index));
        return found;
    }

    /** Where data begins from an offset on, -1 if there is none within the size. */
    long nextData(long offset) {
        long[] found = {-1};
        pages.forEach(offset / Page.BYTES, (index, _) -> {
            found[0] = Math.max(offset, index * Page.BYTES);
            return false;
        });
        return found[0] < size ? found[0] : -1;
    }

    /** Where a hole begins from an offset on; the end of the file counts as one. */
    long nextHole(long offset) {
        long[] expected = {offset / Page.BYTES};
        pages.forEach(expected[0], (index, _) -> {
            if (index != expected[0]) {
                return false;
            }
            expected[0]++;
            return true;
        });
        return Math.min(size, Math.max(offset, expected[0] * Page.BYTES));
    }

    /** Tells what makes this of an earlier content. */
    void difference(long inode, Content earlier, TreeEdits edits) {
        if (size != earlier.size) {
            edits.setSize(inode, size);
        }
        pages.forEach(0, (index, page) -> {
            Page before = earlier.pages.get(index);
            int length = (int) Math.min(Page.BYTES, size - index * Page.BYTES);
            if (page != before && length > 0 && (before == null || !page.digest().equals(before.digest()))) {
                edits.poke(inode, index * Page.BYTES, page.bytes(), 0, length);
            }
            return true;
        });
        earlier.pages.forEach(0, (index, _) -> {
            if (index * Page.BYTES < size && pages.get(index) == null) {
                edits.zero(inode, index * Page.BYTES, Page.BYTES);
            }
            return true;
        });
    }
}
