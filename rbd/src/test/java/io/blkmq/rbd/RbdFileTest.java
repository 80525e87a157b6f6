package io.blkmq.rbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioFile.Access;
import io.blkmq.aio.Errno;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;

/** What an image is as a file: its opens, its lock, its size, its snapshots. */
@Timeout(value = 600, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RbdFileTest {
    private static final int MEBIBYTE = 1 << 20;

    private SmallCluster cluster;
    private AioEngine engine;
    private String image;
    private Path path;
    private final Arena arena = Arena.ofShared();

    @SuppressWarnings("NullAway.Init")
    RbdFileTest() {}

    @BeforeEach
    void open(TestInfo test) throws IOException {
        cluster = SmallCluster.shared();
        engine = AioEngines.open("rbd", AioEngineConfig.defaults());
        image = cluster.create(test.getTestMethod().orElseThrow().getName(), 8 * MEBIBYTE);
        path = Path.of(cluster.address(image));
    }

    @AfterEach
    void close() {
        if (engine != null) {
            engine.close();
        }
        arena.close();
    }

    private MemorySegment filled(int bytes, int with) {
        return arena.allocate(bytes).fill((byte) with);
    }

    private byte at(AioFile file, long offset) {
        MemorySegment one = arena.allocate(1);
        assertThat(file.read(offset, one)).isEqualTo(1);
        return one.get(ValueLayout.JAVA_BYTE, 0);
    }

    @Test
    void anImageIsReadAndWrittenAtItsBytes() throws IOException {
        try (AioFile file = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(file.size()).isEqualTo(8 * MEBIBYTE);
            assertThat(file.optimalBytes()).as("an object").isEqualTo(4 * MEBIBYTE);
            assertThat(file.write(12345, filled(3000, 7))).isEqualTo(3000);
            assertThat(file.sync(false)).isZero();
        }
        try (AioFile file = engine.open(path, Access.READ_ONLY, true)) {
            assertThat(at(file, 12344)).isZero();
            assertThat(at(file, 12345)).isEqualTo((byte) 7);
            assertThat(at(file, 15344)).isEqualTo((byte) 7);
            assertThat(at(file, 15345)).isZero();
            assertThat(file.write(0, filled(1, 1))).isEqualTo(-Errno.EBADF);
        }
    }

    @Test
    void anImageThatIsWrittenIsLockedForEverybodyElse() throws IOException {
        try (AioFile file = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(file.tryLock(true)).isTrue();
            assertThatThrownBy(() -> engine.open(path, Access.READ_WRITE, true)).isInstanceOf(IOException.class)
                    .hasMessageContaining(image).hasMessageContaining("EBUSY").hasMessageContaining("127.0.0.1");
            try (AioFile reader = engine.open(path, Access.READ_ONLY, true)) {
                assertThat(reader.tryLock(false)).as("a writer has it").isFalse();
                assertThatThrownBy(() -> reader.tryLock(true)).isInstanceOf(IOException.class)
                        .hasMessageContaining("not open for writing");
            }
            try (AioFile again = file.reopen(false)) {
                assertThat(again.isDirect()).isFalse();
                assertThat(again.isSameFile(file)).isTrue();
                assertThat(again.write(0, filled(1, 3))).isEqualTo(1);
                assertThat(at(file, 0)).isEqualTo((byte) 3);
            }
        }
        try (AioFile reader = engine.open(path, Access.READ_ONLY, true)) {
            assertThat(reader.tryLock(false)).as("the writer is gone").isTrue();
        }
        try (AioFile next = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(at(next, 0)).isEqualTo((byte) 3);
        }
    }

    @Test
    void aLostLockEndsIoWithAnError() throws IOException {
        try (AioFile file = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(file.write(0, filled(512, 1))).isEqualTo(512);
            assertThat(file.sync(false)).isZero();
            String client = cluster.rbd("lock", "ls", "rbd/" + image, "--format", "json");
            String locker = client.replaceAll("(?s).*\"locker\":\"([^\"]*)\".*", "$1");
            String id = client.replaceAll("(?s).*\"id\":\"([^\"]*)\".*", "$1");
            String _ = cluster.rbd("lock", "rm", "rbd/" + image, id, locker);
            Eventually.until("writes end with an error", () -> {
                long written = file.write(0, filled(512, 2));
                int synced = file.sync(false);
                return written == -Errno.ESHUTDOWN && synced < 0;
            });
            assertThat(file.read(0, filled(512, 0))).isEqualTo(-Errno.ESHUTDOWN);
            try (AioFile next = engine.open(path, Access.READ_WRITE, true)) {
                assertThat(at(next, 0)).as("nothing was written without the lock").isEqualTo((byte) 1);
            }
        }
    }

    @Test
    void aWriterThatSharesTakesNoLockFromOthers() throws IOException {
        try (AioFile one = engine.open(path, Access.READ_WRITE_SHARED, true);
                AioFile other = engine.open(path, Access.READ_WRITE_SHARED, true)) {
            assertThat(one.write(0, filled(512, 1))).isEqualTo(512);
            assertThat(one.sync(false)).isZero();
            assertThat(other.write(512, filled(512, 2))).as("librbd hands the lock on").isEqualTo(512);
            assertThat(other.sync(false)).isZero();
            assertThat(one.write(1024, filled(512, 3))).isEqualTo(512);
            assertThat(one.sync(false)).isZero();
            assertThat(at(other, 1024)).isEqualTo((byte) 3);
        }
    }

    @Test
    void aLockThatLibrbdKeepsForAWriterIsNotTakenAway() throws IOException {
        try (AioFile one = engine.open(path, Access.READ_WRITE_SHARED, true)) {
            assertThat(one.write(0, filled(512, 1))).isEqualTo(512);
            assertThatThrownBy(() -> engine.open(path, Access.READ_WRITE, true)).isInstanceOf(IOException.class)
                    .hasMessageContaining("EBUSY").hasMessageContaining("127.0.0.1");
            assertThat(one.write(0, filled(512, 2))).isEqualTo(512);
        }
        engine.open(path, Access.READ_WRITE, true).close();
    }

    @Test
    void optionsThatLoseWritesAreRefusedWhereverTheyAreSet() throws IOException {
        assertThatThrownBy(() -> openForWriting(cluster.address(image, "rados_osd_op_timeout=5")))
                .isInstanceOf(IOException.class).hasMessageContaining("rados_osd_op_timeout cannot be 5");
        openForWriting(cluster.address(image, "rados_osd_op_timeout=0"));
        assertThatThrownBy(
                () -> openForWriting(cluster.address(image, "rbd_cache=true", "rbd_cache_policy=writearound")))
                .isInstanceOf(IOException.class).hasMessageContaining("writearound");
        String _ = cluster.rbd("image-meta", "set", "rbd/" + image, "conf_rbd_cache", "true");
        openForWriting(cluster.address(image));
        String _ = cluster.rbd("image-meta", "set", "rbd/" + image, "conf_rbd_cache_policy", "writearound");
        assertThatThrownBy(() -> openForWriting(cluster.address(image))).isInstanceOf(IOException.class)
                .hasMessageContaining("writearound").hasMessageContaining("the image or its pool");
        // Who only reads loses nothing.
        open(cluster.address(image));
    }

    private void openForWriting(String address) throws IOException {
        engine.open(Path.of(address), Access.READ_WRITE, true).close();
    }

    @Test
    void aSnapshotIsReadAsItWasAndCannotBeWritten() throws IOException {
        try (AioFile file = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(file.write(0, filled(512, 1))).isEqualTo(512);
            assertThat(file.sync(false)).isZero();
            String _ = cluster.rbd("snap", "create", "rbd/" + image + "@before", "--no-progress");
            assertThat(file.write(0, filled(512, 2))).isEqualTo(512);
            assertThat(file.sync(false)).isZero();
            Path before = Path.of(cluster.address(image + "@before"));
            try (AioFile snapshot = engine.open(before, Access.READ_ONLY, true)) {
                assertThat(at(snapshot, 0)).isEqualTo((byte) 1);
                assertThat(snapshot.tryLock(false)).as("nobody writes it").isTrue();
                assertThat(snapshot.isSameFile(file)).isFalse();
            }
            assertThatThrownBy(() -> engine.open(before, Access.READ_WRITE, true)).isInstanceOf(IOException.class)
                    .hasMessageContaining("can only be read");
            assertThat(at(file, 0)).isEqualTo((byte) 2);
        }
    }

    @Test
    void changesOfTheSizeAreSeenByAllWhoHaveItOpen() throws IOException {
        try (AioFile writer = engine.open(path, Access.READ_WRITE, true);
                AioFile reader = engine.open(path, Access.READ_ONLY, true)) {
            String _ = cluster.rbd("resize", "rbd/" + image, "--size", "16M", "--no-progress");
            Eventually.until("both see it", () -> size(writer) == 16 * MEBIBYTE && size(reader) == 16 * MEBIBYTE);
            assertThat(writer.write(16 * MEBIBYTE - 512, filled(512, 4))).isEqualTo(512);
            assertThat(writer.write(16 * MEBIBYTE - 256, filled(512, 5))).as("across the end").isEqualTo(-Errno.ENOSPC);
            // Until then it may be in the writer's cache alone.
            assertThat(writer.sync(false)).isZero();
            assertThat(at(reader, 16 * MEBIBYTE - 1)).isEqualTo((byte) 4);
            assertThat(writer.setSize(4 * MEBIBYTE)).isZero();
            assertThat(writer.size()).isEqualTo(4 * MEBIBYTE);
            Eventually.until("the reader sees it", () -> size(reader) == 4 * MEBIBYTE);
            assertThat(reader.read(4 * MEBIBYTE, filled(512, 0))).isZero();
            assertThat(writer.write(4 * MEBIBYTE, filled(512, 0))).isEqualTo(-Errno.ENOSPC);
        }
    }

    @Test
    void freedAndZeroedRangesReadAsZeroes() throws IOException {
        try (AioFile file = engine.open(path, Access.READ_WRITE, true)) {
            assertThat(file.write(0, filled(8 * MEBIBYTE, 9))).isEqualTo(8 * MEBIBYTE);
            assertThat(file.punchHole(1000, 5 * MEBIBYTE)).isZero();
            assertThat(file.zeroRange(7 * MEBIBYTE + 1, 100)).isZero();
            assertThat(file.allocate(0, 512, true)).isEqualTo(-Errno.EOPNOTSUPP);
            MemorySegment all = filled(8 * MEBIBYTE, 1);
            assertThat(file.read(0, all)).isEqualTo(all.byteSize());
            for (int i = 0; i < all.byteSize(); i++) {
                boolean zero = (i >= 1000 && i < 1000 + 5 * MEBIBYTE) || (i > 7 * MEBIBYTE && i <= 7 * MEBIBYTE + 100);
                if (all.get(ValueLayout.JAVA_BYTE, i) != (zero ? 0 : 9)) {
                    throw new AssertionError("byte " + i + " is " + all.get(ValueLayout.JAVA_BYTE, i));
                }
            }
        }
    }

    @Test
    void whatIsNoImageIsSaidInWords() throws IOException {
        assertThatThrownBy(() -> open(cluster.address("nobody"))).isInstanceOf(IOException.class)
                .hasMessageContaining("there is no image rbd/nobody");
        assertThatThrownBy(() -> open(cluster.address(image + "@never"))).isInstanceOf(IOException.class)
                .hasMessageContaining("has no snapshot never");
        assertThatThrownBy(() -> open("rbd:nowhere/" + image + ":conf=" + cluster.conf()))
                .isInstanceOf(IOException.class).hasMessageContaining("there is no pool nowhere");
        assertThatThrownBy(() -> open("rbd:rbd/" + image + ":conf=/no/such/ceph.conf")).isInstanceOf(IOException.class)
                .hasMessageContaining("/no/such/ceph.conf cannot be read").hasMessageContaining("no such file");
        assertThatThrownBy(() -> open(cluster.address(image, "rbd_nonsense=1"))).isInstanceOf(IOException.class)
                .hasMessageContaining("no option rbd_nonsense");
        assertThatThrownBy(() -> open("rbd:rbd")).isInstanceOf(IOException.class)
                .hasMessageContaining("pool and image are needed");
        assertThatThrownBy(() -> open(cluster.address(image, "auth_client_required=cephx", "keyring=/no/keyring")))
                .isInstanceOf(AccessDeniedException.class).hasMessageContaining("client.admin")
                .hasMessageContaining("/no/keyring");
        String absent = cluster.address(image, "mon_host=127.0.0.1\\:1", "wait=1");
        // On a machine that is slow Ceph may have said nothing by then.
        Eventually.until("it is said which monitor does not answer",
                () -> whyNot(absent).matches("(?s).*no monitor of 127\\.0\\.0\\.1:1 has answered within 1.*"));
        assertThatThrownBy(() -> engine.open(path, Access.READ_WRITE, true, AioFile.Option.CREATE_NEW))
                .isInstanceOf(FileAlreadyExistsException.class);
        String _ = cluster.rbd("feature", "disable", "rbd/" + image, "object-map", "fast-diff", "exclusive-lock");
        assertThatThrownBy(() -> engine.open(path, Access.READ_WRITE, true)).isInstanceOf(IOException.class)
                .hasMessageContaining("exclusive-lock");
        engine.open(path, Access.READ_WRITE_SHARED, true).close();
    }

    private static long size(AioFile file) {
        try {
            return file.size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private String whyNot(String address) {
        try {
            open(address);
            return "opened";
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private void open(String address) throws IOException {
        engine.open(Path.of(address), Access.READ_ONLY, true).close();
    }
}
