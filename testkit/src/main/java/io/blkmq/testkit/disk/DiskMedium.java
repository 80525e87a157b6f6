package io.blkmq.testkit.disk;

import io.blkmq.testkit.crash.Medium;
import java.util.List;
import java.util.stream.Collectors;

/** The content of a disk, to which pieces of writes come one by one. */
final class DiskMedium implements Medium<BlockTree> {
    private final DiskImage base;
    /** What each effect writes. */
    private final List<List<VolatilePiece>> parts;
    private final List<DiskEvent> events;

    DiskMedium(DiskImage base, List<List<VolatilePiece>> parts, List<DiskEvent> events) {
        this.base = base;
        this.parts = List.copyOf(parts);
        this.events = List.copyOf(events);
    }

    @Override
    public BlockTree before() {
        return base.tree().copy();
    }

    @Override
    public BlockTree copy(BlockTree image) {
        return image.copy();
    }

    @Override
    public void apply(BlockTree image, int effect) {
        parts.get(effect).forEach(part -> part.applyTo(image));
    }

    @Override
    public Object identity(BlockTree image) {
        return image.fingerprint();
    }

    @Override
    public String describe(int effect) {
        return effect + ": "
                + parts.get(effect).stream().map(VolatilePiece::toString).collect(Collectors.joining(" and "));
    }

    @Override
    public String describeEvent(int position) {
        return switch (events.get(position - 1)) {
            case DiskEvent.Submitted e -> "submitted: bio " + e.bio() + ", " + e.operation() + ", " + e.bytes()
                    + " bytes at offset " + e.offset();
            case DiskEvent.Told e -> "told: bio " + e.bio() + " " + e.status();
            case DiskEvent.Received e -> "received: request " + e.request() + ", " + e.operation() + ", " + e.bytes()
                    + " bytes at offset " + e.offset();
            case DiskEvent.Written e -> (e.through() ? "written through: " : "written to the cache: ") + e.piece();
            case DiskEvent.FlushBegun e -> "flush begins: request " + e.request();
            case DiskEvent.FlushEnded e ->
                (e.effective() ? "flushed: request " : "not flushed: request ") + e.request();
            case DiskEvent.Completed e -> "completed: request " + e.request() + " " + e.status();
            case DiskEvent.Acknowledged e -> "acknowledged: " + e.count();
            case DiskEvent.PowerLost _ -> "the power fails";
            case DiskEvent.Exchanged _ -> "the content is exchanged";
        };
    }
}
