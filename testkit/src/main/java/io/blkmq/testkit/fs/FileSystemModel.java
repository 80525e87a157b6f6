package io.blkmq.testkit.fs;

/**
 * What a file system promises about a crash. A verdict on a program means nothing without one: {@code docs/reference/crash-models.md} has
 * the rules of each in a table, with their sources.
 *
 * <p>In all of them a rename within a directory is atomic, a crash leaves what was synced, and what it leaves of a program's unsynced
 * changes is any set of them that the model's rules allow.
 *
 * @since 0.1.0
 */
public enum FileSystemModel {
    /**
     * The least that POSIX promises: fsync of a file keeps its data and its size, and not its name; fsync of a directory keeps its
     * entries. Whatever was not synced is lost or left, each name and each sector of 512 bytes by itself.
     */
    POSIX(512, false, false, false, false),
    /**
     * ext4 as it is mounted by default (data=ordered, delayed allocation, auto_da_alloc). Changes of names and truncations survive in
     * their order. The first fsync of a new file keeps its name. Unsynced data is there, old, or zero, page by page; a file may have
     * its new size without its new data. A rename onto an existing file keeps the data that was written before it.
     */
    EXT4_ORDERED(4096, true, false, true, false),
    /**
     * XFS, and file systems like it: changes of names survive in their order; a file's size on the medium follows its data, so that a
     * file which was written and renamed without fsync may be empty, also in place of an older one.
     */
    XFS(4096, true, true, false, false),
    /** SIGKILL: the process ends at any moment, the system goes on. All that was written is there, but for the rest of the last write. */
    KILL(4096, false, true, false, true);

    private final int unitBytes;
    private final boolean journal;
    private final boolean sizeFollowsData;
    private final boolean keepsDataOfReplacing;
    private final boolean whole;

    FileSystemModel(int unitBytes, boolean journal, boolean sizeFollowsData, boolean keepsDataOfReplacing,
            boolean whole) {
        this.unitBytes = unitBytes;
        this.journal = journal;
        this.sizeFollowsData = sizeFollowsData;
        this.keepsDataOfReplacing = keepsDataOfReplacing;
        this.whole = whole;
    }

    /** Whether changes of names survive in their order. */
    boolean hasJournal() {
        return journal;
    }

    /** Whether a file has no size on the medium that its data does not reach. */
    boolean sizeFollowsData() {
        return sizeFollowsData;
    }

    /** Whether a rename onto an existing file waits for the new file's data. */
    boolean keepsDataOfReplacing() {
        return keepsDataOfReplacing;
    }

    /** Whether all that was done before the last call survives. */
    boolean isWhole() {
        return whole;
    }

    /**
     * The size of data that survives as a whole or not at all.
     *
     * @return bytes, a power of two
     */
    public int unitBytes() {
        return unitBytes;
    }
}
