package io.blkmq.testkit.tree;

/** What a rename does with a file that has the new name. */
public enum RenameMode {
    /** It loses the name: rename(2). */
    REPLACE,
    /** It keeps the name and the rename fails: RENAME_NOREPLACE. */
    NO_REPLACE,
    /** It gets the old name; there has to be such a file: RENAME_EXCHANGE. */
    EXCHANGE
}
