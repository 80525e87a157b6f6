package io.blkmq.testkit.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What goes between a door and its server. */
class ChangeStreamTest {
    private static final List<Change> EVERY_KIND = List.of(
            new Change.Create(1, "\u00e4\0\uD800", 2, Kind.SYMLINK, "to"), new Change.Link(3, "b", 4),
            new Change.Unlink(5, "c", 6), new Change.Rename(7, "d", 8, "e", 9, 10),
            new Change.Exchange(11, "f", 12, 13, "g", 14), new Change.Write(15, 1L << 43, new byte[]{1, 2, 3}, 17),
            new Change.Truncate(18, 19, 20), new Change.Punch(21, 22, 23), new Change.Sync(24, true),
            new Change.Sync(25, false), new Change.SyncAll(), new Change.Acknowledge(26));

    private static byte[] written(List<Change> changes) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ChangeStream.write(new DataOutputStream(bytes), changes);
        return bytes.toByteArray();
    }

    private static DataInputStream stream(byte... bytes) {
        return new DataInputStream(new ByteArrayInputStream(bytes));
    }

    @Test
    void changesOfEveryKindComeAsTheyWere() throws Exception {
        assertThat(EVERY_KIND.stream().map(Object::getClass).distinct())
                .hasSize(Change.class.getPermittedSubclasses().length);
        assertThat(ChangeStream.read(stream(written(EVERY_KIND)))).usingRecursiveFieldByFieldElementComparator()
                .isEqualTo(EVERY_KIND);
    }

    @Test
    void streamsThatAreNoneAreRefused() throws Exception {
        byte[] written = written(EVERY_KIND);
        assertThatThrownBy(() -> ChangeStream.read(stream(Arrays.copyOf(written, written.length - 1))))
                .isInstanceOf(EOFException.class);
        assertThatThrownBy(() -> ChangeStream.read(stream((byte) 0, (byte) 0, (byte) 0, (byte) 1, (byte) 99)))
                .isInstanceOf(IOException.class).hasMessageContaining("code 99");
        assertThatThrownBy(() -> EditStream.apply(stream((byte) 77), new FileTree(0, () -> 0)))
                .isInstanceOf(IOException.class).hasMessageContaining("code 77");
        assertThatThrownBy(() -> Frames.receive(stream((byte) 0xFF, (byte) 0, (byte) 0, (byte) 0)))
                .isInstanceOf(IOException.class).hasMessageContaining("are possible");
        assertThatThrownBy(() -> Frames.receive(stream((byte) 0, (byte) 0, (byte) 0, (byte) 5, (byte) 1)))
                .isInstanceOf(EOFException.class);
        assertThat(Frames.receive(stream())).as("the end").isNull();
        assertThat(Command.of(-1)).isNull();
        assertThat(Command.of(Command.values().length)).isNull();
    }
}
