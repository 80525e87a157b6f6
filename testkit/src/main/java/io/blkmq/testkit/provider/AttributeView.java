package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipal;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The attributes of what a path leads to, as the JDK's views show them. */
final class AttributeView implements PosixFileAttributeView {
    private final TreePath path;
    private final boolean follow;
    private final String name;

    /** A view that gives itself a name: "basic", "owner" or "posix". */
    AttributeView(TreePath path, boolean follow, String name) {
        this.path = path;
        this.follow = follow;
        this.name = name;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public TreeAttributes readAttributes() throws IOException {
        return new TreeAttributes(path.getFileSystem(), path.getFileSystem().attributes(path, follow));
    }

    /** The time of creation cannot be set, as on Linux, which is no error there either. */
    @Override
    public void setTimes(@Nullable FileTime modified, @Nullable FileTime accessed, @Nullable FileTime created)
            throws IOException {
        if (modified != null || accessed != null) {
            path.getFileSystem().setTimes(path, follow, FileTimes.nanos(accessed), FileTimes.nanos(modified));
        }
    }

    /** Takes the set-id bits and the sticky bit away, as the JDK does. */
    @Override
    public void setPermissions(Set<PosixFilePermission> permissions) throws IOException {
        setMode(TreeAttributes.mode(permissions));
    }

    void setMode(int mode) throws IOException {
        path.getFileSystem().setMode(path, follow, mode);
    }

    @Override
    public UserPrincipal getOwner() throws IOException {
        return readAttributes().owner();
    }

    @Override
    public void setOwner(UserPrincipal owner) throws IOException {
        setOwner(((Principals.User) owner).id(), -1);
    }

    @Override
    public void setGroup(GroupPrincipal group) throws IOException {
        setOwner(-1, ((Principals.Group) group).id());
    }

    void setOwner(int uid, int gid) throws IOException {
        path.getFileSystem().setOwner(path, follow, uid, gid);
    }
}
