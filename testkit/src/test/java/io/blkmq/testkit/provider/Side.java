package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A directory that a program of file operations works in, and the channels that it has open; one of two that should behave alike. */
final class Side {
    private final Path root;
    private final Map<Integer, FileChannel> channels = new HashMap<>();
    private final Map<Integer, @Nullable Object> keys = new HashMap<>();
    private final Set<Integer> directories = new HashSet<>();

    Side(Path root) {
        this.root = root;
    }

    /** An operation. */
    @FunctionalInterface
    interface Step {
        /** Returns what it has found. */
        @Nullable
        Object on(Side side) throws Exception;
    }

    Path path(String text) {
        return text.isEmpty() ? root : root.resolve(text);
    }

    @Nullable
    FileChannel channel(int slot) {
        return channels.get(slot);
    }

    void open(int slot, String path, Set<OpenOption> options, FileAttribute<?>... attributes) throws IOException {
        Object keyBefore = key(path);
        FileChannel before = channels.put(slot, FileChannel.open(path(path), options, attributes));
        if (before != null) {
            before.close();
        }
        keys.put(slot, keyBefore == null ? key(path) : keyBefore);
        if (Files.isDirectory(path(path))) {
            directories.add(slot);
        } else {
            directories.remove(slot);
        }
    }

    private @Nullable Object key(String path) {
        try {
            return Files.readAttributes(path(path), BasicFileAttributes.class).fileKey();
        } catch (IOException e) {
            return null;
        }
    }

    /**
     * Whether what a transfer between two channels does depends on how it is done: from a file to itself, or from a directory, of which
     * it is not said whether it has a size when it is removed.
     */
    boolean isUnspecified(int slot, int other) {
        return slot == other || directories.contains(slot)
                || (isOpen(slot) && isOpen(other) && Objects.equals(keys.get(slot), keys.get(other)));
    }

    private boolean isOpen(int slot) {
        FileChannel channel = channels.get(slot);
        return channel != null && channel.isOpen();
    }

    void closeAll() throws IOException {
        for (FileChannel channel : channels.values()) {
            channel.close();
        }
    }

    /** What a step returns or throws, in words that do not depend on where the root is. */
    String outcome(Step step) {
        try {
            Object found = step.on(this);
            return found instanceof byte[] bytes ? Arrays.toString(bytes) : withoutRoot(String.valueOf(found));
        } catch (FileSystemException e) {
            return e.getClass().getName() + ": " + withoutRoot(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            return e.getClass().getName() + ": " + e.getMessage();
        } catch (Exception e) {
            return e.getClass().getName();
        }
    }

    private String withoutRoot(String text) {
        return text.replace(root.toString(), "ROOT");
    }

    /** All that is there: by its path its kind, permissions, links and what is in it. */
    Map<String, String> everything() throws IOException {
        Map<String, String> found = new TreeMap<>();
        Map<Object, String> firstNames = new HashMap<>();
        List<Path> pending = new ArrayList<>(List.of(root));
        while (!pending.isEmpty()) {
            Path path = pending.removeLast();
            String name = root.relativize(path).toString();
            found.put(name, describe(path, name, firstNames));
            if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
                List<Path> names = new ArrayList<>();
                try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
                    entries.forEach(names::add);
                }
                names.stream().sorted().forEach(pending::add);
            }
        }
        return found;
    }

    private static String describe(Path path, String name, Map<Object, String> firstNames) throws IOException {
        Map<String, Object> attributes = Files.readAttributes(path, "unix:*", LinkOption.NOFOLLOW_LINKS);
        String permissions = PosixFilePermissions
                .toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
        String links = permissions + " " + attributes.get("nlink") + " " + attributes.get("mode") + " ";
        if (Files.isSymbolicLink(path)) {
            return links + "-> " + Files.readSymbolicLink(path);
        }
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            return links + "directory";
        }
        String first = firstNames.computeIfAbsent(attributes.get("fileKey"), _ -> name);
        return links + first + " " + attributes.get("size") + " " + Arrays.hashCode(Files.readAllBytes(path));
    }
}
