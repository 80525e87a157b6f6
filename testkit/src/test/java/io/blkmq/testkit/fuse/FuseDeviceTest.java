package io.blkmq.testkit.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Eventually;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A device whose kernel is the test: at the other end of a pair of sockets. */
class FuseDeviceTest {
    private static final int AF_UNIX = 1;
    private static final int SOCK_SEQPACKET = 5;
    private static final int SHUT_RD = 0;
    private static final int EPROTO = -71;
    private static final long HEADER_BYTES = 40;

    private final List<String> failures = Collections.synchronizedList(new ArrayList<>());
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer = arena.allocate(8192, 8);
    private int kernel;
    private Thread serving = new Thread();

    @BeforeEach
    void connect() {
        OpenedDoor.skipWithoutFuse();
        MethodHandle socketpair = Libc.function("socketpair", FunctionDescriptor.of(ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
        MemorySegment sockets = arena.allocate(ValueLayout.JAVA_INT, 2);
        assertThat(Libc
                .call(() -> (int) socketpair.invokeExact(Libc.state(), AF_UNIX, SOCK_SEQPACKET, 0, sockets.address())))
                .isZero();
        kernel = sockets.getAtIndex(ValueLayout.JAVA_INT, 0);
        FuseDevice device = new FuseDevice(sockets.getAtIndex(ValueLayout.JAVA_INT, 1), FuseReply.Owner.ROOT,
                new FileService(failures::add, 0), failures::add);
        serving = Thread.ofPlatform().daemon().name("served").start(device::serve);
    }

    @AfterEach
    void disconnect() throws InterruptedException {
        var _ = Libc.close(kernel);
        serving.join();
        arena.close();
    }

    private void send(int opcode, int... body) {
        int length = (int) HEADER_BYTES + body.length * Integer.BYTES;
        buffer.fill((byte) 0);
        buffer.set(ValueLayout.JAVA_INT, 0, length);
        buffer.set(ValueLayout.JAVA_INT, 4, opcode);
        buffer.set(ValueLayout.JAVA_LONG, 8, 99);
        buffer.set(ValueLayout.JAVA_LONG, 16, FuseAbi.ROOT);
        MemorySegment.copy(body, 0, buffer, ValueLayout.JAVA_INT, HEADER_BYTES, body.length);
        assertThat(Libc.write(kernel, buffer, length)).isEqualTo(length);
    }

    private int receiveError() {
        assertThat(Libc.read(kernel, buffer)).isGreaterThanOrEqualTo(16);
        assertThat(buffer.get(ValueLayout.JAVA_LONG, 8)).isEqualTo(99);
        return buffer.get(ValueLayout.JAVA_INT, 4);
    }

    private int replied(String member) {
        return buffer.get(ValueLayout.JAVA_INT, 16 + FuseAbi.offset(FuseAbi.INIT_OUT, member));
    }

    @Test
    void kernelOfTodayGetsWhatItOffersAndIsWanted() {
        int writeback = 1 << 16;
        send(Opcode.INIT, 7, 45, 131_072, writeback | 1 << 3 | 1 << 22);
        assertThat(receiveError()).isZero();
        assertThat(replied("major")).isEqualTo(7);
        assertThat(replied("minor")).isEqualTo(31);
        assertThat(replied("flags")).as("no cache that holds writes back").isEqualTo(1 << 3 | 1 << 22);
        assertThat(replied("max_write")).isEqualTo(FuseDevice.WRITE_BYTES_MAX);
        assertThat(failures).isEmpty();
    }

    @Test
    void kernelOfAnotherMajorVersionAsksAgain() {
        send(Opcode.INIT, 8, 0, 0, 0);
        assertThat(receiveError()).isZero();
        assertThat(replied("major")).isEqualTo(7);
        send(Opcode.INIT, 7, 31, 0, 0);
        assertThat(receiveError()).isZero();
        assertThat(failures).isEmpty();
    }

    @Test
    void kernelThatIsTooOldIsRefusedWithTheReason() {
        send(Opcode.INIT, 7, 27, 0, 0);
        assertThat(receiveError()).isEqualTo(EPROTO);
        assertThat(failures).singleElement().asString().contains("FUSE 7.27").contains("7.28 is needed");
    }

    @Test
    void bytesThatAreNoRequestEndTheService() throws Exception {
        assertThat(Libc.write(kernel, buffer, 100)).isEqualTo(100);
        serving.join();
        assertThat(failures).singleElement().asString().contains("100 bytes that are no request");
    }

    @Test
    void replyThatIsRefusedIsToldAndTheNextRequestIsServed() {
        MethodHandle shutdown = Libc.function("shutdown",
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        assertThat(Libc.call(() -> (int) shutdown.invokeExact(Libc.state(), kernel, SHUT_RD))).isZero();
        send(Opcode.STATFS);
        Eventually.until("the refusal is told", () -> failures.size() == 1);
        send(Opcode.STATFS);
        Eventually.until("the next one is told", () -> failures.size() == 2);
        assertThat(failures).allSatisfy(failure -> assertThat(failure).contains("was refused"));
    }
}
