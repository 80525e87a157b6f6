package io.blkmq.testkit.fs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class MemoryFileSystemTest {
    @Test
    void aProgramUsesItAsAnyOther() throws IOException {
        try (FileSystem memory = MemoryFileSystem.create("program")) {
            Path directory = Files.createDirectories(memory.getPath("/some/where"));
            Path file = Files.writeString(directory.resolve("greeting"), "hello");
            assertThat(Files.readString(file)).isEqualTo("hello");
            assertThat(Files.getOwner(file).getName()).isEqualTo("user");
            assertThat(Files.getLastModifiedTime(file).toInstant()).isBetween(Instant.EPOCH, Instant.now());
            assertThatThrownBy(() -> MemoryFileSystem.create("program"))
                    .isInstanceOf(FileSystemAlreadyExistsException.class);
            assertThat(Files.getFileStore(file).getTotalSpace()).isEqualTo(MemoryFileSystem.DEFAULT_CAPACITY_BYTES);
        }
        MemoryFileSystem.create("program").close();
    }

    @Test
    void itIsMadeAsItsBuilderSays() throws IOException {
        try (FileSystem memory = MemoryFileSystem.builder("built").capacityBytes(8192).clock(() -> 1_000_000_000L)
                .mapByCopy(true).superuser().build()) {
            Path file = Files.write(memory.getPath("/file"), new byte[8192]);
            assertThat(Files.getLastModifiedTime(file).toMillis()).isEqualTo(1000);
            assertThat(Files.getOwner(file).getName()).isEqualTo("root");
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
            try (FileChannel channel = FileChannel.open(file)) {
                assertThat(channel.map(MapMode.READ_ONLY, 0, 8192).capacity()).isEqualTo(8192);
            }
            assertThatThrownBy(() -> Files.write(memory.getPath("/more"), new byte[1]))
                    .hasMessage("No space left on device");
        }
    }

    @Test
    void whatCannotBeBuiltIsRefused() {
        assertThatThrownBy(() -> MemoryFileSystem.builder("x").capacityBytes(-1))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("-1");
        assertThatThrownBy(() -> MemoryFileSystem.create("a b")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a b");
        assertThatThrownBy(() -> MemoryFileSystem.create("")).isInstanceOf(IllegalArgumentException.class);
    }
}
