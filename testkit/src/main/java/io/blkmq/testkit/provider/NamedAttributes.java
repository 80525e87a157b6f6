package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The attributes of what a path leads to, by names as "size", "posix:permissions" or "unix:ino". */
final class NamedAttributes {
    private static final List<String> BASIC = List.of("lastModifiedTime", "lastAccessTime", "creationTime", "size",
            "isRegularFile", "isDirectory", "isSymbolicLink", "isOther", "fileKey");
    private static final List<String> POSIX = with(BASIC, "permissions", "owner", "group");
    private static final Map<String, List<String>> VIEWS = Map.of("basic", BASIC, "owner", List.of("owner"), "posix",
            POSIX, "unix", with(POSIX, "mode", "ino", "dev", "rdev", "nlink", "uid", "gid", "ctime"));

    private final AttributeView view;
    private final TreePath path;
    private final List<String> known;
    private final String names;

    /**
     * Of a path.
     *
     * @throws UnsupportedOperationException if there is no such view
     */
    NamedAttributes(TreePath path, boolean follow, String viewAndNames) {
        int colon = viewAndNames.indexOf(':');
        String viewName = colon < 0 ? "basic" : viewAndNames.substring(0, colon);
        List<String> found = VIEWS.get(viewName);
        if (found == null) {
            throw new UnsupportedOperationException(
                    "View '" + viewName + "' not available: basic, owner, posix and unix are");
        }
        this.view = new AttributeView(path, follow, viewName);
        this.path = path;
        this.known = found;
        this.names = viewAndNames.substring(colon + 1);
    }

    private static List<String> with(List<String> some, String... more) {
        List<String> all = new ArrayList<>(some);
        all.addAll(List.of(more));
        return List.copyOf(all);
    }

    Map<String, Object> read() throws IOException {
        List<String> wanted = new ArrayList<>();
        for (String name : names.split(",", -1)) {
            if (name.equals("*")) {
                wanted.addAll(known);
            } else {
                wanted.add(requireKnown(name));
            }
        }
        TreeAttributes attributes = view.readAttributes();
        Map<String, Object> values = new LinkedHashMap<>();
        for (String name : wanted) {
            values.put(name, value(attributes, name));
        }
        return values;
    }

    private String requireKnown(String name) {
        if (!known.contains(name)) {
            throw new IllegalArgumentException("'" + name + "' not recognized: view " + view.name() + " has " + known);
        }
        return name;
    }

    private Object value(TreeAttributes of, String name) {
        return switch (name) {
            case "lastModifiedTime" -> of.lastModifiedTime();
            case "lastAccessTime" -> of.lastAccessTime();
            case "creationTime" -> of.creationTime();
            case "size" -> of.size();
            case "isRegularFile" -> of.isRegularFile();
            case "isDirectory" -> of.isDirectory();
            case "isSymbolicLink" -> of.isSymbolicLink();
            case "isOther" -> of.isOther();
            case "fileKey" -> of.fileKey();
            case "permissions" -> of.permissions();
            case "owner" -> of.owner();
            case "group" -> of.group();
            case "mode" -> of.inode().unixMode();
            case "ino" -> of.inode().inode();
            case "dev" -> (long) path.getFileSystem().name().hashCode();
            case "rdev" -> 0L;
            case "nlink" -> of.inode().nlink();
            case "uid" -> of.inode().uid();
            case "gid" -> of.inode().gid();
            case "ctime" -> FileTimes.of(of.inode().changedNanos());
            default -> throw new AssertionError(name);
        };
    }

    void set(Object value) throws IOException {
        switch (requireKnown(names)) {
            case "lastModifiedTime" -> view.setTimes((FileTime) value, null, null);
            case "lastAccessTime" -> view.setTimes(null, (FileTime) value, null);
            case "creationTime" -> view.setTimes(null, null, (FileTime) value);
            case "permissions" -> view.setPermissions(permissions(value));
            case "owner" -> view.setOwner((UserPrincipal) value);
            case "group" -> view.setGroup((GroupPrincipal) value);
            case "mode" -> view.setMode((Integer) value);
            case "uid" -> view.setOwner((Integer) value, -1);
            case "gid" -> view.setOwner(-1, (Integer) value);
            default -> throw new IllegalArgumentException("'" + names + "' not recognized among those that can be set");
        }
    }

    private static Set<PosixFilePermission> permissions(Object value) {
        Set<PosixFilePermission> permissions = new HashSet<>();
        for (Object permission : (Set<?>) value) {
            permissions.add((PosixFilePermission) permission);
        }
        return permissions;
    }
}
