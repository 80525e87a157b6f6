package io.blkmq.testkit.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Requests that a kernel sends, would never send, or sends late, without one. */
class FileServiceTest {
    private static final int ENOENT = -2;
    private static final int EIO = -5;
    private static final int EBUSY = -16;
    private static final int EXDEV = -18;
    private static final int EINVAL = -22;
    private static final int EROFS = -30;
    private static final int ENAMETOOLONG = -36;
    private static final int ENOSYS = -38;
    private static final int EILSEQ = -84;
    private static final int ESTALE = -116;
    private static final long BUFFER_BYTES = 1 << 16;

    private final List<String> failures = new ArrayList<>();
    private final FileService service = new FileService(failures::add, 0);
    private final MemorySegment in = Arena.ofAuto().allocate(BUFFER_BYTES, 8);
    private final MemorySegment out = Arena.ofAuto().allocate(BUFFER_BYTES, 8);
    private final FuseRequest request = new FuseRequest(in);
    private final FuseReply reply = new FuseReply(out, FuseReply.Owner.ROOT);
    private long unique;

    /** The body of a request. */
    private static ByteBuffer body(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
    }

    private static byte[] name(String name) {
        return (name + "\0").getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] body(byte[] fixed, String... names) {
        ByteBuffer whole = body(1000).put(fixed);
        for (String name : names) {
            whole.put(name(name));
        }
        byte[] bytes = new byte[whole.position()];
        whole.flip().get(bytes);
        return bytes;
    }

    /** Sends a request; returns the error of the reply, 0 for none. */
    private int send(int opcode, long node, byte... body) {
        int length = (int) (FuseAbi.IN_HEADER.byteSize() + body.length);
        in.set(ValueLayout.JAVA_INT, 0, length);
        in.set(ValueLayout.JAVA_INT, 4, opcode);
        in.set(ValueLayout.JAVA_LONG, 8, ++unique);
        in.set(ValueLayout.JAVA_LONG, 16, node);
        MemorySegment.copy(body, 0, in, ValueLayout.JAVA_BYTE, FuseAbi.IN_HEADER.byteSize(), body.length);
        assertThat(request.take(length)).isTrue();
        long bytes = service.answer(request, reply);
        if (bytes == FileService.NO_REPLY) {
            return 0;
        }
        assertThat(out.get(ValueLayout.JAVA_INT, 0)).isEqualTo((int) bytes);
        assertThat(out.get(ValueLayout.JAVA_LONG, 8)).isEqualTo(unique);
        int error = out.get(ValueLayout.JAVA_INT, 4);
        assertThat(bytes).as("an error has no body").isGreaterThanOrEqualTo(16)
                .matches(size -> error == 0 || size == 16);
        return error;
    }

    private long nodeInReply() {
        return out.get(ValueLayout.JAVA_LONG, FuseAbi.OUT_HEADER.byteSize());
    }

    private long lookup(long directory, String name) {
        assertThat(send(Opcode.LOOKUP, directory, name(name))).isZero();
        return nodeInReply();
    }

    private ShownTree show(String name) throws IOException {
        return service.show(name, OpenedDoor.treeOf(Map.of("file", "text", "other", "")));
    }

    @Test
    void unknownOperationsAreAnsweredWithEnosys() {
        for (int opcode : new int[]{0, 7, 19, 21, 22, 31, Opcode.FLUSH, Opcode.ACCESS, Opcode.INTERRUPT, 47, 52, 9999,
                -1}) {
            assertThat(send(opcode, FuseAbi.ROOT)).as("opcode " + opcode).isEqualTo(ENOSYS);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void requestsThatAreTooShortAreRefusedAndShowNothingOfTheOneBefore() throws Exception {
        long directory = show("t").nodeOf(FileTree.ROOT);
        assertThat(send(Opcode.LOOKUP, directory, name("file"))).isZero();
        assertThat(send(Opcode.LOOKUP, directory)).as("the name is still in the buffer").isEqualTo(EINVAL);
        assertThat(send(Opcode.LOOKUP, directory, (byte) 'f')).as("no end of the name").isEqualTo(EINVAL);
        assertThat(send(Opcode.SETATTR, directory, new byte[8])).isEqualTo(EINVAL);
        byte[] write = body(48).putInt(16, 1 << 20).array();
        assertThat(send(Opcode.WRITE, lookup(directory, "file"), write)).as("less data than it says").isEqualTo(EINVAL);
        assertThat(failures).hasSize(4).allMatch(failure -> failure.contains("is not what it should be"));
    }

    @Test
    void bytesThatAreNoRequestAreNotTaken() {
        in.set(ValueLayout.JAVA_INT, 0, 40);
        assertThat(request.take(39)).isFalse();
        assertThat(request.take(48)).as("longer than it says").isFalse();
        assertThat(request.take(0)).isFalse();
        assertThat(request.take(40)).isTrue();
    }

    @Test
    void namesThatAreNotUtf8OrTooLongAreRefused() throws Exception {
        long directory = show("t").nodeOf(FileTree.ROOT);
        assertThat(send(Opcode.LOOKUP, directory, (byte) 0xC3, (byte) 0x28, (byte) 0)).isEqualTo(EILSEQ);
        assertThat(send(Opcode.LOOKUP, directory, name("n".repeat(256)))).isEqualTo(ENAMETOOLONG);
        assertThat(send(Opcode.MKDIR, directory, body(new byte[8], "n".repeat(256)))).isEqualTo(ENAMETOOLONG);
        assertThat(send(Opcode.MKDIR, directory, body(new byte[8], "\uFFFD\u00FC")))
                .as("the sign that stands for others").isZero();
        assertThat(failures).isEmpty();
    }

    @Test
    void whatIsThrownIsAnIoErrorAndIsTold() {
        boolean[] throwing = {false};
        FileTree image = new FileTree(1 << 20, () -> {
            if (throwing[0]) {
                throw new IllegalStateException("the clock stands still");
            }
            return 0;
        });
        long directory = service.show("t", image).nodeOf(FileTree.ROOT);
        throwing[0] = true;
        assertThat(send(Opcode.MKDIR, directory, body(new byte[8], "d"))).isEqualTo(EIO);
        assertThat(failures).singleElement().asString().contains("the clock stands still");
        throwing[0] = false;
        assertThat(send(Opcode.MKDIR, directory, body(new byte[8], "d"))).as("the next one").isZero();
    }

    @Test
    void rootCannotBeChanged() throws Exception {
        ShownTree shown = show("t");
        assertThat(send(Opcode.MKDIR, FuseAbi.ROOT, body(new byte[8], "d"))).isEqualTo(EROFS);
        assertThat(send(Opcode.CREATE, FuseAbi.ROOT, body(new byte[16], "f"))).isEqualTo(EROFS);
        assertThat(send(Opcode.RMDIR, FuseAbi.ROOT, name("t"))).isEqualTo(EBUSY);
        assertThat(send(Opcode.UNLINK, FuseAbi.ROOT, name("u"))).isEqualTo(EROFS);
        byte[] toRoot = body(8).putLong(FuseAbi.ROOT).array();
        assertThat(send(Opcode.RENAME, shown.nodeOf(FileTree.ROOT), body(toRoot, "file", "f"))).isEqualTo(EROFS);
        assertThat(send(Opcode.SETATTR, FuseAbi.ROOT, new byte[88])).isEqualTo(EROFS);
        assertThat(send(Opcode.FSYNCDIR, FuseAbi.ROOT, new byte[16])).as("sync of the directory above").isZero();
        assertThat(send(Opcode.GETATTR, FuseAbi.ROOT, new byte[16])).isZero();
        assertThat(failures).isEmpty();
    }

    @Test
    void filesOfDifferentTreesHaveNothingToDoWithEachOther() throws Exception {
        long one = show("one").nodeOf(FileTree.ROOT);
        long other = show("other").nodeOf(FileTree.ROOT);
        long file = lookup(one, "file");
        assertThat(lookup(other, "file")).isNotEqualTo(file);
        assertThat(send(Opcode.RENAME, one, body(body(8).putLong(other).array(), "file", "f"))).isEqualTo(EXDEV);
        assertThat(send(Opcode.LINK, other, body(body(8).putLong(file).array(), "f"))).isEqualTo(EXDEV);
    }

    @Test
    void treeThatIsHiddenLivesAsLongAsTheKernelKnowsIt() throws Exception {
        ShownTree shown = show("t");
        long directory = lookup(FuseAbi.ROOT, "t");
        long file = lookup(directory, "file");
        assertThat(lookup(directory, "file")).isEqualTo(file);
        service.hide(shown);
        assertThat(send(Opcode.LOOKUP, FuseAbi.ROOT, name("t"))).isEqualTo(ENOENT);
        assertThat(send(Opcode.GETATTR, file, new byte[16])).isZero();
        assertThat(send(Opcode.FORGET, file, body(8).putLong(1).array())).isZero();
        byte[] both = body(8 + 2 * 16).putInt(2).putInt(0).putLong(file).putLong(1).putLong(directory).putLong(1)
                .array();
        assertThat(service.trees()).isEqualTo(1);
        assertThat(send(Opcode.BATCH_FORGET, 0, both)).isZero();
        assertThat(service.trees()).isZero();
        assertThat(send(Opcode.GETATTR, file, new byte[16])).isEqualTo(ESTALE);
        assertThat(send(Opcode.FORGET, file, body(8).putLong(1).array())).as("once more than it was known").isZero();
        assertThat(failures).isEmpty();
    }

    @Test
    void fileWithoutANameLivesUntilTheKernelHasForgottenItAsOftenAsItHasLookedItUp() throws Exception {
        long directory = show("t").nodeOf(FileTree.ROOT);
        long file = lookup(directory, "file");
        assertThat(lookup(directory, "file")).isEqualTo(file);
        assertThat(send(Opcode.UNLINK, directory, name("file"))).isZero();
        assertThat(send(Opcode.FORGET, file, body(8).putLong(1).array())).isZero();
        assertThat(send(Opcode.GETATTR, file, new byte[16])).isZero();
        assertThat(send(Opcode.FORGET, file, body(8).putLong(1).array())).isZero();
        assertThat(send(Opcode.GETATTR, file, new byte[16])).isEqualTo(ENOENT);
        assertThat(failures).isEmpty();
    }

    @Test
    void treeThatReplacesAnotherHasOtherNodes() throws Exception {
        long before = show("t").nodeOf(FileTree.ROOT);
        assertThat(lookup(FuseAbi.ROOT, "t")).isEqualTo(before);
        long after = show("t").nodeOf(FileTree.ROOT);
        assertThat(lookup(FuseAbi.ROOT, "t")).isEqualTo(after).isNotEqualTo(before);
        assertThat(service.trees()).isEqualTo(2);
    }

    @Test
    void openFileKeepsItsTreeAndIsTold() throws Exception {
        ShownTree shown = show("t");
        long file = lookup(shown.nodeOf(FileTree.ROOT), "file");
        assertThat(send(Opcode.OPEN, file, body(8).putInt(2).array())).isZero();
        long handle = nodeInReply();
        assertThat(service.openFiles(shown)).containsExactly(new OpenFile("/file", file, true, false));
        assertThat(send(Opcode.FORGET, file, body(8).putLong(1).array())).isZero();
        service.hide(shown);
        assertThat(service.trees()).isEqualTo(1);
        assertThat(send(Opcode.RELEASE, file, body(24).putLong(handle).array())).isZero();
        assertThat(send(Opcode.RELEASE, file, body(24).putLong(handle).array())).as("twice").isZero();
        assertThat(service.trees()).isZero();
    }

    @Test
    void listingComesInPiecesAsLargeAsTheyMayBe() throws Exception {
        FileTree image = OpenedDoor.emptyTree();
        for (int i = 0; i < 1000; i++) {
            var _ = image.create(FileTree.ROOT, "a name of the number " + i, 0644, 0, 0);
        }
        ShownTree shown = service.show("t", image);
        for (int opcode : new int[]{Opcode.READDIR, Opcode.READDIRPLUS}) {
            List<String> names = new ArrayList<>();
            long offset = 0;
            int pieces = 0;
            for (long more = 1; more > 0; pieces++) {
                byte[] read = body(40).putLong(0).putLong(offset).putInt(4096).array();
                assertThat(send(opcode, shown.nodeOf(FileTree.ROOT), read)).isZero();
                int begin = opcode == Opcode.READDIR ? 0 : 128;
                more = out.get(ValueLayout.JAVA_INT, 0) - FuseAbi.OUT_HEADER.byteSize();
                assertThat(more).isLessThanOrEqualTo(4096);
                for (long at = begin; at < more;) {
                    MemorySegment entry = out.asSlice(FuseAbi.OUT_HEADER.byteSize() + at);
                    int length = entry.get(ValueLayout.JAVA_INT, 16);
                    offset = entry.get(ValueLayout.JAVA_LONG, 8);
                    names.add(new String(entry.asSlice(24, length).toArray(ValueLayout.JAVA_BYTE),
                            StandardCharsets.UTF_8));
                    at += Math.ceilDiv(24 + length, 8) * 8 + begin;
                }
            }
            assertThat(names).hasSize(1002).doesNotHaveDuplicates().startsWith(".", "..");
            assertThat(pieces).isGreaterThan(10);
        }
    }
}
