package io.blkmq.testkit.provider;

import io.blkmq.testkit.provider.Side.Step;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Operations on files, one after the other, that a seed chooses. Paths are few, so that they meet. */
final class RandomFileProgram {
    private static final String[] NAMES = {"a", "b", "c"};
    private static final int SLOTS = 3;
    private static final int OFFSET_MAX = 10_000;

    private final Random random;

    RandomFileProgram(long seed) {
        this.random = new Random(seed);
    }

    /** A step and what it does, for messages. */
    record Named(String text, Step step) {}

    Named next() {
        return switch (random.nextInt(5)) {
            case 0 -> content();
            case 1 -> names();
            case 2 -> looks();
            default -> channels();
        };
    }

    private String path() {
        List<String> names = new ArrayList<>();
        int depth = 1 + random.nextInt(3);
        for (int i = 0; i < depth; i++) {
            int kind = random.nextInt(30);
            names.add(kind == 0 ? ".." : kind == 1 ? "." : NAMES[random.nextInt(NAMES.length)]);
        }
        String path = String.join("/", names);
        return path.startsWith("..") || path.contains("../..") || path.contains("./..") ? "a" : path;
    }

    private byte[] bytes(int max) {
        byte[] bytes = new byte[random.nextInt(max)];
        random.nextBytes(bytes);
        return bytes;
    }

    private <T> List<T> some(List<T> all, int oneOf) {
        List<T> chosen = new ArrayList<>();
        for (T each : all) {
            if (random.nextInt(oneOf) == 0) {
                chosen.add(each);
            }
        }
        return chosen;
    }

    private List<OpenOption> openOptions() {
        List<OpenOption> all = new ArrayList<>(EnumSet.allOf(StandardOpenOption.class));
        all.add(LinkOption.NOFOLLOW_LINKS);
        return switch (random.nextInt(4)) {
            case 0 -> List.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
            case 1 -> List.of(StandardOpenOption.READ);
            case 2 -> List.of(StandardOpenOption.APPEND, StandardOpenOption.CREATE);
            default -> some(all, 4);
        };
    }

    private FileAttribute<?>[] attributes() {
        return random.nextInt(4) > 0
                ? new FileAttribute<?>[0]
                : new FileAttribute<?>[]{PosixFilePermissions.asFileAttribute(permissions())};
    }

    private Set<PosixFilePermission> permissions() {
        Set<PosixFilePermission> permissions = EnumSet.of(PosixFilePermission.OWNER_READ,
                PosixFilePermission.OWNER_WRITE, PosixFilePermission.OWNER_EXECUTE);
        permissions.addAll(some(List.of(PosixFilePermission.values()), 2));
        return permissions;
    }

    private Named content() {
        String path = path();
        List<OpenOption> options = openOptions();
        OpenOption[] array = options.toArray(new OpenOption[0]);
        byte[] data = bytes(6000);
        return switch (random.nextInt(6)) {
            case 0 -> new Named("write " + path, side -> Files.write(side.path(path), data));
            case 1 -> new Named("write " + path + " " + options, side -> Files.write(side.path(path), data, array));
            case 2 -> new Named("read " + path, side -> Files.readAllBytes(side.path(path)));
            case 3 -> new Named("input stream " + path + " " + options, side -> {
                try (InputStream in = Files.newInputStream(side.path(path), array)) {
                    return in.read() + " " + in.skip(10) + " " + in.readNBytes(20).length + " " + in.available() + " "
                            + in.transferTo(OutputStream.nullOutputStream()) + " " + in.read();
                }
            });
            case 4 -> new Named("output stream " + path + " " + options, side -> {
                try (OutputStream out = Files.newOutputStream(side.path(path), array)) {
                    out.write(7);
                    out.write(data);
                    out.write(data, data.length / 2, data.length - data.length / 2);
                }
                return "written";
            });
            default -> new Named("size " + path,
                    side -> Files.isRegularFile(side.path(path)) ? Files.size(side.path(path)) : -1);
        };
    }

    private Named names() {
        String path = path();
        String other = path();
        FileAttribute<?>[] attributes = attributes();
        List<CopyOption> all = new ArrayList<>(EnumSet.allOf(StandardCopyOption.class));
        all.add(LinkOption.NOFOLLOW_LINKS);
        List<CopyOption> options = some(all, 2);
        CopyOption[] array = options.toArray(new CopyOption[0]);
        return switch (random.nextInt(13)) {
            case 0 -> new Named("create file " + path, side -> Files.createFile(side.path(path), attributes));
            case 1, 2 ->
                new Named("create directory " + path, side -> Files.createDirectory(side.path(path), attributes));
            case 3 -> new Named("create directories " + path, side -> Files.createDirectories(side.path(path)));
            case 4 -> new Named("symbolic link " + path + " -> " + other,
                    side -> Files.createSymbolicLink(side.path(path), side.path("").getFileSystem().getPath(other)));
            case 5 ->
                new Named("link " + path + " = " + other, side -> Files.createLink(side.path(path), side.path(other)));
            case 6 -> new Named("delete " + path, side -> {
                Files.delete(side.path(path));
                return "deleted";
            });
            case 7 -> new Named("delete if exists " + path, side -> Files.deleteIfExists(side.path(path)));
            case 8, 9 -> new Named("copy " + path + " to " + other + " " + options,
                    side -> Files.copy(side.path(path), side.path(other), array));
            case 10, 11 -> new Named("move " + path + " to " + other + " " + options,
                    side -> Files.move(side.path(path), side.path(other), array));
            default -> new Named("permissions " + path, side -> {
                Set<PosixFilePermission> permissions = EnumSet.allOf(PosixFilePermission.class);
                return Files.setPosixFilePermissions(side.path(path), permissions);
            });
        };
    }

    private Named looks() {
        String path = path();
        String other = path();
        LinkOption[] links = random.nextBoolean() ? new LinkOption[0] : new LinkOption[]{LinkOption.NOFOLLOW_LINKS};
        String how = path + (links.length > 0 ? " itself" : "");
        return switch (random.nextInt(13)) {
            case 0 -> new Named("exists " + how, side -> Files.exists(side.path(path), links));
            case 1 ->
                new Named("same " + path + " " + other, side -> Files.isSameFile(side.path(path), side.path(other)));
            case 2 -> new Named("real path " + how, side -> side.path(path).toRealPath(links));
            case 3 -> new Named("kind " + how,
                    side -> Files.isDirectory(side.path(path), links) + " "
                            + Files.isRegularFile(side.path(path), links) + " " + Files.isSymbolicLink(side.path(path))
                            + " " + Files.notExists(side.path(path), links));
            case 4 -> new Named("list " + path, side -> {
                Set<String> names = new TreeSet<>();
                try (DirectoryStream<Path> entries = Files.newDirectoryStream(side.path(path), "[ab]*")) {
                    entries.forEach(entry -> names.add(entry.toString()));
                }
                return names;
            });
            case 5 -> new Named("walk " + path, side -> {
                try (Stream<Path> all = Files.walk(side.path(path))) {
                    return all.map(Path::toString).sorted().toList();
                }
            });
            case 6 -> new Named("read link " + path, side -> Files.readSymbolicLink(side.path(path)));
            case 7 -> new Named("access " + path,
                    side -> Files.isReadable(side.path(path)) + " " + Files.isWritable(side.path(path)) + " "
                            + Files.isExecutable(side.path(path)) + " " + Files.isHidden(side.path(path)));
            case 8 -> times(path, links, how);
            case 9 -> new Named("attributes " + how, side -> {
                Map<String, Object> found = Files.readAttributes(side.path(path),
                        "posix:permissions,isOther,isDirectory", links);
                return new TreeSet<>(found.keySet()) + " " + found.get("isDirectory")
                        + new TreeSet<>((Set<?>) found.get("permissions"));
            });
            case 10 ->
                new Named("mismatch " + path + " " + other, side -> Files.mismatch(side.path(path), side.path(other)));
            case 11 -> new Named("uri " + path, side -> side.path(path).toUri().getPath());
            default -> new Named("unix " + how, side -> Files.getAttribute(side.path(path), "unix:mode", links));
        };
    }

    private Named times(String path, LinkOption[] links, String how) {
        FileTime time = FileTime.fromMillis(random.nextInt(Integer.MAX_VALUE));
        return new Named("times " + how, side -> {
            Files.setAttribute(side.path(path), "lastModifiedTime", time, links);
            return Files.getAttribute(side.path(path), "basic:lastModifiedTime", links) + " "
                    + Files.readAttributes(side.path(path), "lastModifiedTime", links);
        });
    }

    /** What is done with a channel, if there is one. */
    @FunctionalInterface
    private interface Use {
        @Nullable
        Object of(FileChannel channel) throws Exception;
    }

    private static Named use(String text, int slot, Use use) {
        return new Named(text + " on channel " + slot, side -> {
            FileChannel channel = side.channel(slot);
            return channel == null ? "no channel" : use.of(channel);
        });
    }

    private Named channels() {
        int slot = random.nextInt(SLOTS);
        if (random.nextInt(5) == 0) {
            String path = path();
            Set<OpenOption> options = new HashSet<>(openOptions());
            FileAttribute<?>[] attributes = attributes();
            return new Named("open " + path + " " + options + " as channel " + slot, side -> {
                side.open(slot, path, options, attributes);
                return "opened";
            });
        }
        return random.nextBoolean() ? transfers(slot) : positions(slot);
    }

    private Named transfers(int slot) {
        byte[] data = bytes(5000);
        long at = random.nextInt(-3, OFFSET_MAX - 3);
        int other = random.nextInt(SLOTS);
        return switch (random.nextInt(9)) {
            case 0 -> use("read " + data.length, slot, channel -> {
                ByteBuffer buffer = ByteBuffer.allocate(data.length);
                return channel.read(buffer) + " " + List.of(buffer) + buffer.hashCode() + buffer.flip().hashCode();
            });
            case 1 -> use("read " + data.length + " at " + at, slot, channel -> {
                ByteBuffer buffer = ByteBuffer.allocateDirect(data.length);
                return channel.read(buffer, at) + " " + buffer.position() + buffer.flip().hashCode();
            });
            case 2, 3 -> use("write " + data.length, slot, channel -> channel.write(ByteBuffer.wrap(data)));
            case 4 ->
                use("write " + data.length + " at " + at, slot, channel -> channel.write(ByteBuffer.wrap(data), at));
            case 5 -> use("scatter " + data.length, slot, channel -> {
                ByteBuffer[] buffers = {ByteBuffer.allocate(3), ByteBuffer.allocate(0),
                        ByteBuffer.allocate(data.length)};
                return channel.read(buffers) + " " + buffers[0].flip().hashCode() + buffers[2].flip().hashCode();
            });
            case 6 -> use("gather " + data.length, slot, channel -> {
                ByteBuffer[] buffers = {ByteBuffer.wrap(data), ByteBuffer.allocate(0),
                        StandardCharsets.UTF_8.encode("end")};
                return channel.write(buffers) + " " + buffers[0].position() + " " + buffers[2].remaining();
            });
            case 7 ->
                new Named("transfer " + data.length + " at " + at + " from channel " + slot + " to " + other, side -> {
                    FileChannel from = side.channel(slot);
                    FileChannel to = side.channel(other);
                    return from == null || to == null || side.isUnspecified(slot, other)
                            ? "no channels"
                            : from.transferTo(at, data.length, to);
                });
            default ->
                new Named("transfer " + data.length + " from channel " + slot + " to " + other + " at " + at, side -> {
                    FileChannel from = side.channel(slot);
                    FileChannel to = side.channel(other);
                    return from == null || to == null || side.isUnspecified(slot, other)
                            ? "no channels"
                            : to.transferFrom(from, at, data.length);
                });
        };
    }

    private Named positions(int slot) {
        long at = random.nextInt(-3, OFFSET_MAX - 3);
        long size = random.nextInt(-3, OFFSET_MAX - 3);
        boolean shared = random.nextBoolean();
        return switch (random.nextInt(9)) {
            case 0 -> use("position", slot, FileChannel::position);
            case 1 -> use("position " + at, slot, channel -> channel.position(at).position());
            case 2 -> use("size", slot, channel -> {
                long found = channel.size();
                // Of a removed directory ext4 says the one or the other.
                return found == 4096 || found == 0 ? "a block or nothing" : found;
            });
            case 3 ->
                use("truncate " + size, slot, channel -> channel.truncate(size).size() + " " + channel.position());
            case 4 -> use("force", slot, channel -> {
                channel.force(shared);
                return "forced";
            });
            case 5 -> use("lock " + at + " " + size + " " + shared, slot,
                    channel -> describe(channel.tryLock(at, size, shared)));
            case 6 -> use("wait for lock", slot, channel -> describe(channel.lock()));
            case 7 -> use("close", slot, channel -> {
                channel.close();
                return channel.isOpen();
            });
            default ->
                use("read only buffer", slot, channel -> channel.read(ByteBuffer.allocate(4).asReadOnlyBuffer()));
        };
    }

    private static String describe(@Nullable FileLock lock) throws Exception {
        if (lock == null) {
            return "held by another program";
        }
        String text = lock.position() + " " + lock.size() + " " + lock.isShared() + " " + lock.isValid();
        if (lock.position() % 2 == 0) {
            lock.release();
        }
        return text + " " + lock.isValid();
    }
}
