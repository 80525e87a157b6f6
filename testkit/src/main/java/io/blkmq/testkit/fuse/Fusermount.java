package io.blkmq.testkit.fuse;

import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Mounts for a process that may not: by {@code fusermount3}, which is installed with the right to. It opens {@code /dev/fuse}, mounts, and
 * passes the descriptor over a socket that it inherits.
 */
final class Fusermount {
    private static final String PROGRAM = "fusermount3";
    /** What the program finds its socket by. */
    private static final String SOCKET_VARIABLE = "_FUSE_COMMFD";
    /** The shell finds the program, and puts what it says into a file. */
    private static final String SCRIPT = "exec " + PROGRAM + " -o \"$1\" -- \"$2\" >\"$3\" 2>&1";

    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    static final StructLayout IOVEC = MemoryLayout.structLayout(LONG.withName("iov_base"), LONG.withName("iov_len"))
            .withName("iovec");
    static final StructLayout MSGHDR = MemoryLayout
            .structLayout(LONG.withName("msg_name"), INT.withName("msg_namelen"), MemoryLayout.paddingLayout(4),
                    LONG.withName("msg_iov"), LONG.withName("msg_iovlen"), LONG.withName("msg_control"),
                    LONG.withName("msg_controllen"), INT.withName("msg_flags"), MemoryLayout.paddingLayout(4))
            .withName("msghdr");
    static final StructLayout CMSGHDR = MemoryLayout
            .structLayout(LONG.withName("cmsg_len"), INT.withName("cmsg_level"), INT.withName("cmsg_type"))
            .withName("cmsghdr");
    /** A message about descriptors, with one of them. */
    private static final long CONTROL_BYTES = CMSGHDR.byteSize() + Long.BYTES;

    private static final MethodHandle SOCKETPAIR = Libc.function("socketpair",
            FunctionDescriptor.of(INT, INT, INT, INT, LONG));
    private static final MethodHandle SPAWN = Libc.function("posix_spawn",
            FunctionDescriptor.of(INT, LONG, LONG, LONG, LONG, LONG, LONG));
    private static final MethodHandle RECVMSG = Libc.function("recvmsg", FunctionDescriptor.of(LONG, INT, LONG, INT));
    private static final MethodHandle WAITPID = Libc.function("waitpid", FunctionDescriptor.of(INT, INT, LONG, INT));

    private Fusermount() {}

    /** Whether the program is there. */
    static boolean isInstalled() {
        String path = System.getenv().getOrDefault("PATH", "");
        for (String folder : path.split(File.pathSeparator, -1)) {
            if (!folder.isEmpty() && Files.isExecutable(Path.of(folder, PROGRAM))) {
                return true;
            }
        }
        return false;
    }

    /**
     * Mounts.
     *
     * @return an open {@code /dev/fuse}
     * @throws IOException if the program refuses, with what it says
     */
    static int mount(Path folder, String options) throws IOException {
        Path said = Files.createTempFile("blkmq-fusermount", ".txt");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sockets = arena.allocate(INT, 2);
            int result = (int) Libc
                    .call(() -> (int) SOCKETPAIR.invokeExact(Libc.state(), AF_UNIX, SOCK_STREAM, 0, sockets.address()));
            if (result < 0) {
                throw new IOException("no sockets for " + PROGRAM + ": " + KernelError.meaning(result));
            }
            int ours = sockets.getAtIndex(INT, 0);
            int theirs = sockets.getAtIndex(INT, 1);
            MemorySegment status = arena.allocate(INT);
            int pid;
            int fd;
            try {
                try {
                    pid = spawn(arena, List.of("sh", "-c", SCRIPT, "sh", options, folder.toString(), said.toString()),
                            theirs);
                } finally {
                    var _ = Libc.close(theirs);
                }
                fd = receive(arena, ours);
            } finally {
                var _ = Libc.close(ours);
            }
            var _ = Libc.call(() -> (int) WAITPID.invokeExact(Libc.state(), pid, status.address(), 0));
            if (fd < 0) {
                throw new IOException(
                        "cannot mount at " + folder + ": " + PROGRAM + " refuses: " + Files.readString(said).strip());
            }
            return fd;
        } finally {
            discard(said);
        }
    }

    private static void discard(Path said) {
        try {
            boolean _ = Files.deleteIfExists(said);
        } catch (IOException _) {
            // It stays: what has been mounted has to be returned all the same.
        }
    }

    private static int spawn(Arena arena, List<String> command, int socket) throws IOException {
        MemorySegment pid = arena.allocate(INT);
        MemorySegment arguments = strings(arena, command);
        List<String> variables = new ArrayList<>(List.of(SOCKET_VARIABLE + "=" + socket));
        for (Map.Entry<String, String> variable : System.getenv().entrySet()) {
            variables.add(variable.getKey() + "=" + variable.getValue());
        }
        MemorySegment environment = strings(arena, variables);
        long shell = arena.allocateFrom("/bin/sh").address();
        int error = (int) Libc.call(() -> (int) SPAWN.invokeExact(Libc.state(), pid.address(), shell, 0L, 0L,
                arguments.address(), environment.address()));
        if (error != 0) {
            throw new IOException("cannot start " + PROGRAM + ": " + KernelError.meaning(error));
        }
        return pid.get(INT, 0);
    }

    /** A vector of pointers to strings, with a null pointer behind them. */
    private static MemorySegment strings(Arena arena, List<String> strings) {
        MemorySegment vector = arena.allocate(LONG, strings.size() + 1L);
        for (int i = 0; i < strings.size(); i++) {
            vector.setAtIndex(LONG, i, Libc.string(arena, strings.get(i)).address());
        }
        return vector;
    }

    /** Receives a descriptor; a negative number if the other side ends without one. */
    private static int receive(Arena arena, int socket) {
        MemorySegment iovec = arena.allocate(IOVEC);
        iovec.set(LONG, FuseAbi.offset(IOVEC, "iov_base"), arena.allocate(1).address());
        iovec.set(LONG, FuseAbi.offset(IOVEC, "iov_len"), 1);
        MemorySegment control = arena.allocate(CONTROL_BYTES, Long.BYTES);
        MemorySegment message = arena.allocate(MSGHDR);
        message.set(LONG, FuseAbi.offset(MSGHDR, "msg_iov"), iovec.address());
        message.set(LONG, FuseAbi.offset(MSGHDR, "msg_iovlen"), 1);
        message.set(LONG, FuseAbi.offset(MSGHDR, "msg_control"), control.address());
        message.set(LONG, FuseAbi.offset(MSGHDR, "msg_controllen"), CONTROL_BYTES);
        long received;
        do {
            received = Libc
                    .call(() -> (long) RECVMSG.invokeExact(Libc.state(), socket, message.address(), MSG_CMSG_CLOEXEC));
        } while (received == -KernelError.EINTR);
        boolean hasDescriptor = received > 0
                && control.get(LONG, FuseAbi.offset(CMSGHDR, "cmsg_len")) == CMSGHDR.byteSize() + Integer.BYTES
                && control.get(INT, FuseAbi.offset(CMSGHDR, "cmsg_level")) == SOL_SOCKET
                && control.get(INT, FuseAbi.offset(CMSGHDR, "cmsg_type")) == SCM_RIGHTS;
        return hasDescriptor ? control.get(INT, CMSGHDR.byteSize()) : -1;
    }

    /** Unmounts, though files are in use; whether that went well. */
    static boolean unmount(Path folder) throws IOException {
        Process process = new ProcessBuilder(PROGRAM, "-u", "-z", "--", folder.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try {
            return process.waitFor() == 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
