import io.blkmq.stores.StoreProgram;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.UnalignedMemoryRecords;
import org.apache.kafka.raft.OffsetAndEpoch;
import org.apache.kafka.snapshot.FileRawSnapshotReader;
import org.apache.kafka.snapshot.FileRawSnapshotWriter;

/** Kafka's snapshots of its metadata: one that is frozen is kept, since the log before it is deleted. */
public final class Program implements StoreProgram {
    private static final int SNAPSHOTS = 2;
    private static final int BYTES = 6000;

    @Override
    public void work(Path directory, List<String> acknowledged) {
        for (int i = 1; i <= SNAPSHOTS; i++) {
            try (FileRawSnapshotWriter writer = FileRawSnapshotWriter.create(directory, new OffsetAndEpoch(i, 1), Optional.empty())) {
                ByteBuffer records = ByteBuffer.allocate(BYTES);
                while (records.hasRemaining()) {
                    records.put((byte) i);
                }
                writer.append(new UnalignedMemoryRecords(records.flip()));
                writer.freeze();
            }
            acknowledged.add("" + i);
        }
    }

    @Override
    public void check(Path directory, List<String> acknowledged) throws IOException {
        for (String snapshot : acknowledged) {
            int number = Integer.parseInt(snapshot);
            try (FileRawSnapshotReader reader = FileRawSnapshotReader.open(directory, new OffsetAndEpoch(number, 1))) {
                ByteBuffer records = ByteBuffer.allocate((int) reader.sizeInBytes());
                if (records.hasRemaining()) {
                    ((FileRecords) reader.records()).readInto(records, 0);
                }
                if (records.remaining() != BYTES) {
                    throw new AssertionError("snapshot " + snapshot + " has " + records.remaining() + " of " + BYTES + " bytes");
                }
                while (records.hasRemaining()) {
                    if (records.get() != number) {
                        throw new AssertionError("snapshot " + snapshot + " is not what was written");
                    }
                }
            }
        }
    }
}
