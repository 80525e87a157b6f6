package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.Errno;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.TreeException;

/**
 * As whom a program uses a file system, and what the modes of files then allow it: a program of user 0 everything but to execute what
 * nobody may execute.
 *
 * @param uid the user
 * @param gid the user's only group
 */
record Credentials(int uid, int gid) {
    static final int READ = 4;
    static final int WRITE = 2;
    static final int EXECUTE = 1;

    private static final int STICKY = 01000;
    private static final int ALL_EXECUTE = 0111;

    /** Fails with EACCES unless the mode grants all of some rights. */
    void require(int rights, Attributes file) throws TreeException {
        if (!has(rights, file)) {
            throw new TreeException(Errno.EACCES, "mode " + Integer.toOctalString(file.mode()) + " of user "
                    + file.uid() + " and group " + file.gid() + " does not let user " + uid + " do it");
        }
    }

    boolean has(int rights, Attributes file) {
        if (uid == 0) {
            return (rights & EXECUTE) == 0 || file.kind() == Kind.DIRECTORY || (file.mode() & ALL_EXECUTE) != 0;
        }
        int shift = file.uid() == uid ? 6 : file.gid() == gid ? 3 : 0;
        return ((file.mode() >>> shift) & rights) == rights;
    }

    /** Fails with EPERM unless the attributes of a file are the program's to change. */
    void requireOwner(Attributes file) throws TreeException {
        if (uid != 0 && uid != file.uid()) {
            throw new TreeException(Errno.EPERM, "user " + uid + " is not the owner, " + file.uid());
        }
    }

    /** Fails unless a name may be taken out of a directory. */
    void requireRemovable(Attributes directory, Attributes file) throws TreeException {
        require(WRITE | EXECUTE, directory);
        if ((directory.mode() & STICKY) != 0 && uid != 0 && uid != file.uid() && uid != directory.uid()) {
            throw new TreeException(Errno.EPERM,
                    "the directory is sticky and user " + uid + " owns neither it nor the file");
        }
    }
}
