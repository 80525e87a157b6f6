package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A polled device belongs to the thread that used it first. Another that uses it has made a mistake, which the device is not blamed for. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ForeignThreadTest {
    private static final int BYTES = 1 << 20;

    @TempDir
    private Path directory = Path.of("");

    private LoopDevice polled() throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[BYTES]);
        return LoopDevice.attach(LoopConfig.builder(image).engine("channel").polled(true).build());
    }

    /** What a thread finds that carries something out. */
    private static Throwable failureOn(boolean virtual, Callable<?> work) throws Exception {
        FutureTask<Object> task = new FutureTask<>(() -> {
            try {
                return new AssertionError("not refused: " + work.call());
            } catch (ExecutionException e) {
                return e.getCause();
            } catch (Exception e) {
                return e;
            }
        });
        var _ = (virtual ? Thread.ofVirtual() : Thread.ofPlatform()).name("foreign").start(task);
        return (Throwable) task.get(120, TimeUnit.SECONDS);
    }

    /** Every way to begin I/O. */
    private static Map<String, Callable<?>> uses(Disk disk, FileChannel channel, AsynchronousFileChannel asynchronous) {
        Map<String, Callable<?>> uses = new LinkedHashMap<>();
        uses.put("blocking", () -> {
            try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                disk.read(0, buffer.memory());
                return "read";
            }
        });
        uses.put("flush", () -> {
            disk.flush();
            return "flushed";
        });
        uses.put("bio", () -> {
            try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                Bio bio = new Bio(1).reset(Operation.READ, 0).add(buffer.memory()).onEnd(_ -> {});
                try {
                    disk.submit(bio);
                } finally {
                    // The caller's, since it was not taken.
                    bio.reset(Operation.READ, 0);
                }
                return "submitted";
            }
        });
        uses.put("plug", () -> {
            try (IoBuffer buffer = IoBuffer.allocate(4096); Plug plug = disk.plug()) {
                plug.submit(new Bio(1).reset(Operation.READ, 0).add(buffer.memory()).onEnd(_ -> {}));
                return "submitted";
            }
        });
        uses.put("channel", () -> channel.read(ByteBuffer.allocate(100), 0));
        uses.put("channel, write of a part of a block", () -> channel.write(ByteBuffer.allocate(100), 7));
        uses.put("channel, force", () -> {
            channel.force(true);
            return "forced";
        });
        uses.put("asynchronous", () -> asynchronous.read(ByteBuffer.allocate(100), 0).get());
        uses.put("asynchronous, handler", () -> {
            CompletableFuture<Integer> told = new CompletableFuture<>();
            asynchronous.write(ByteBuffer.allocate(100), 0, null, new CompletionHandler<Integer, Object>() {
                @Override
                public void completed(Integer bytes, Object attachment) {
                    told.complete(bytes);
                }

                @Override
                public void failed(Throwable cause, Object attachment) {
                    told.completeExceptionally(cause);
                }
            });
            return told.get();
        });
        return uses;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAnotherThreadBeginsIsRefusedByTheNameOfBoth(boolean virtual) throws Exception {
        try (LoopDevice device = polled();
                FileChannel channel = device.disk().openChannel();
                AsynchronousFileChannel asynchronous = device.disk().openAsynchronousChannel()) {
            assertThat(channel.read(ByteBuffer.allocate(100), 0)).isEqualTo(100);
            List<String> refused = new ArrayList<>();
            Map<String, Callable<?>> uses = uses(device.disk(), channel, asynchronous);
            for (Map.Entry<String, Callable<?>> use : uses.entrySet()) {
                Throwable failure = failureOn(virtual, use.getValue());
                assertThat(failure).as(use.getKey()).isInstanceOf(WrongThreadException.class)
                        .hasMessageContaining(device.disk().name()).hasMessageContaining("foreign");
                if (!virtual) {
                    assertThat(failure).hasMessageContaining(Thread.currentThread().toString());
                }
                refused.add(use.getKey());
            }
            assertThat(refused).containsExactlyElementsOf(uses.keySet());
            assertThat(channel.isOpen()).isTrue();
            assertThat(asynchronous.isOpen()).isTrue();
            for (Map.Entry<String, Callable<?>> use : uses.entrySet()) {
                if (!use.getKey().equals("bio") && !use.getKey().equals("plug")
                        && !use.getKey().equals("asynchronous, handler")) {
                    assertThat(use.getValue().call()).as("the owner: %s", use.getKey()).isNotNull();
                }
            }
        }
    }

    @Test
    void aVirtualThreadDoesNotBecomeTheOwner() throws Exception {
        try (LoopDevice device = polled(); FileChannel channel = device.disk().openChannel()) {
            assertThat(failureOn(true, () -> channel.read(ByteBuffer.allocate(100), 0)))
                    .isInstanceOf(WrongThreadException.class).hasMessageContaining("platform thread");
            assertThat(channel.read(ByteBuffer.allocate(100), 0)).isEqualTo(100);
        }
    }
}
