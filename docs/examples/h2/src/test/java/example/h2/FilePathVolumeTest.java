package example.h2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.h2.api.ErrorCode;
import org.h2.message.DbException;
import org.h2.store.fs.FileUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The files of a volume as H2 asks for them. */
@Timeout(60)
class FilePathVolumeTest {
    private SimulatedDisk simulated;

    @BeforeEach
    void mount() throws IOException {
        simulated = SimulatedDisk.builder().capacityBytes(16 << 20).build();
        FilePathVolume.mount("volume", DiskVolume.open(simulated.disk()));
    }

    @AfterEach
    void unmount() {
        FilePathVolume.unmount("volume");
        simulated.close();
    }

    private static void write(String file, String text) throws IOException {
        try (FileChannel channel = FileUtils.open(file, "rw")) {
            channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        }
    }

    private static void assertFails(int error, ThrowingCallable call) {
        assertThatExceptionOfType(DbException.class).isThrownBy(call).satisfies(e -> assertThat(e.getErrorCode()).isEqualTo(error));
    }

    @Test
    void aFolderIsThereFromItsMakingToItsDeletion() throws IOException {
        FileUtils.createDirectories("disk:volume/a/b");
        FilePathVolume.unmount("volume");
        FilePathVolume.mount("volume", DiskVolume.open(simulated.disk()));
        assertThat(FileUtils.isDirectory("disk:volume/a/b")).isTrue();
        assertThat(FileUtils.newDirectoryStream("disk:volume")).containsExactly("disk:volume/a");
        assertThat(FileUtils.newDirectoryStream("disk:volume/a")).containsExactly("disk:volume/a/b");
        assertThat(FileUtils.newDirectoryStream("disk:volume/a/b")).isEmpty();
        write("disk:volume/a/b/file", "x");
        assertThat(FileUtils.newDirectoryStream("disk:volume/a/b")).containsExactly("disk:volume/a/b/file");
        FileUtils.delete("disk:volume/a/b/file");
        assertThat(FileUtils.isDirectory("disk:volume/a/b")).isTrue();
        FileUtils.delete("disk:volume/a/b");
        assertThat(FileUtils.exists("disk:volume/a/b")).isFalse();
        assertThat(FileUtils.isDirectory("disk:volume/a")).isTrue();
        FileUtils.deleteRecursive("disk:volume/a", false);
        assertThat(FileUtils.newDirectoryStream("disk:volume")).isEmpty();
    }

    @Test
    void aDatabaseMayBeTheFirstFileOfItsFolder() throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:h2:disk:volume/folder/test")) {
            assertThat(connection.isValid(0)).isTrue();
        }
    }

    @Test
    void aFileIsNoFolderAndAFolderIsNoFile() throws IOException {
        write("disk:volume/file", "x");
        FileUtils.createDirectory("disk:volume/folder");
        assertFails(ErrorCode.FILE_CREATION_FAILED_1, () -> FileUtils.createDirectory("disk:volume/file"));
        assertFails(ErrorCode.FILE_CREATION_FAILED_1, () -> FileUtils.createDirectories("disk:volume/file/folder"));
        assertThat(FileUtils.createFile("disk:volume/folder")).isFalse();
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> FileUtils.open("disk:volume/folder", "rw"));
        write("disk:volume/folder/file", "x");
        assertFails(ErrorCode.FILE_DELETE_FAILED_1, () -> FileUtils.delete("disk:volume/folder"));
    }

    @Test
    void aFileIsMovedToANameThatIsFreeOrItsOwn() throws IOException {
        write("disk:volume/a", "x");
        write("disk:volume/b", "yy");
        FileUtils.move("disk:volume/a", "disk:volume/a");
        assertFails(ErrorCode.FILE_RENAME_FAILED_2, () -> FileUtils.move("disk:volume/a", "disk:volume/b"));
        assertFails(ErrorCode.FILE_RENAME_FAILED_2, () -> FileUtils.move("disk:volume/none", "disk:volume/c"));
        FileUtils.moveAtomicReplace("disk:volume/a", "disk:volume/b");
        assertThat(FileUtils.size("disk:volume/b")).isOne();
        assertThat(FileUtils.exists("disk:volume/a")).isFalse();
        FileUtils.moveAtomicReplace("disk:volume/b", "disk:volume/b");
        assertThat(FileUtils.size("disk:volume/b")).isOne();
    }

    @Test
    void aReadOnlyFileStaysSo() throws IOException {
        write("disk:volume/file", "x");
        assertThat(FileUtils.setReadOnly("disk:volume/file")).isTrue();
        FileUtils.move("disk:volume/file", "disk:volume/moved");
        FilePathVolume.unmount("volume");
        FilePathVolume.mount("volume", DiskVolume.open(simulated.disk()));
        assertThat(FileUtils.canWrite("disk:volume/moved")).isFalse();
        assertThatExceptionOfType(AccessDeniedException.class).isThrownBy(() -> FileUtils.open("disk:volume/moved", "rw"));
        try (FileChannel channel = FileUtils.open("disk:volume/moved", "r")) {
            assertThat(channel.size()).isOne();
        }
        FileUtils.delete("disk:volume/moved");
        assertThat(FileUtils.setReadOnly("disk:volume/moved")).isFalse();
    }

    @Test
    void aVolumeThatIsNotMountedIsNamed() {
        assertThatExceptionOfType(DbException.class).isThrownBy(() -> FileUtils.exists("disk:none/file")).withMessageContaining("no volume none is mounted");
    }
}
