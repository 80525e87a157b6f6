package io.blkmq.testkit.fuse;

import org.jspecify.annotations.Nullable;

/** What a {@link FuseDoor} asks its {@link FuseServer} for. The order is a part of the protocol. */
enum Command {
    /** folder → number of the mount. */
    MOUNT,
    /** mount → nothing. */
    UNMOUNT,
    /** mount, name, whether from nothing, capacity, whether read-only, edits → number of the tree. */
    SHOW,
    /** mount, tree → nothing. */
    HIDE,
    /** mount, tree → the edits that make the tree as it is of the image that was shown. A new log begins. */
    RECORD,
    /** mount, tree → nothing. The log ends. */
    STOP,
    /** mount, tree → how many acknowledgements there are. */
    ACKNOWLEDGE,
    /** mount, tree, how many are known → the other changes of the log. */
    CHANGES,
    /** mount, tree → the edits that make the tree as it is of the image that was shown. */
    CONTENT,
    /** mount, tree → nothing. What is dirty in mapped memory is written back, and so recorded. */
    WRITE_BACK,
    /** mount, tree → what is open of the tree. */
    OPEN_FILES;

    private static final Command[] ALL = values();

    /** The command of a number in a message; null for none. */
    static @Nullable Command of(int number) {
        return number >= 0 && number < ALL.length ? ALL[number] : null;
    }
}
