package io.blkmq.tools.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.UsageException;
import io.blkmq.tools.run.RunPlan;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a job reads back comes from the disk. */
@Timeout(300)
class ForgetPagesTest {
    private static boolean isCached(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, 4096).isLoaded();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isCachedAfter(String lines) throws UsageException, IOException, InterruptedException {
        // Beside the sources: directories for temporary files may be in memory.
        Path image = Files.createTempFile(Path.of("").toAbsolutePath(), "blkmq-", ".img");
        try {
            assumeTrue(!Files.getFileStore(image).type().equals("tmpfs"), "skipped: tmpfs is its page cache");
            Files.write(image, new byte[4096]);
            RunPlan plan = RunPlan.of(JobFile.parse("t.fio", "[a]\nfilename=d\nrw=write\nverify=md5\n" + lines),
                    new RunPlan.Setup(Map.of("d", Backing.parse(image.toString())), 0, ImageRequest.NONE, false));
            try (OpenDevices devices = OpenDevices.open(plan.devices(), Layout.SILENT);
                    IoBuffer buffer = IoBuffer.allocate(4096)) {
                Device device = devices.named("d");
                submit(device, new Bio(1).reset(Operation.WRITE, 0).add(buffer.memory(), 0, 4096));
                submit(device, new Bio(1).reset(Operation.FLUSH, 0));
                assertThat(isCached(image)).as("what was written through the page cache").isTrue();
                device.forgetPages();
                return isCached(image);
            }
        } finally {
            Files.delete(image);
        }
    }

    private static void submit(Device device, Bio bio) throws InterruptedException {
        CountDownLatch ended = new CountDownLatch(1);
        device.disk().submit(bio.onEnd(_ -> ended.countDown()));
        ended.await();
    }

    @Test
    void pagesOfABufferedFileAreForgottenUnlessTheJobSaysOtherwise()
            throws UsageException, IOException, InterruptedException {
        assertThat(isCachedAfter("invalidate=0\n")).isTrue();
        assertThat(isCachedAfter("")).isFalse();
    }
}
