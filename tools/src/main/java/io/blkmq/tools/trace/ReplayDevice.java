package io.blkmq.tools.trace;

import io.blkmq.core.Operation;
import io.blkmq.testkit.disk.TraceSummary;
import io.blkmq.tools.device.Backing;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.device.DeviceRequest;
import io.blkmq.tools.device.Layout;
import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.Location;
import io.blkmq.tools.job.UsageException;

/** The device that a trace is replayed on. */
public final class ReplayDevice {
    private static final String NAME = "replay";
    private static final String OPTION = "--attach";

    private ReplayDevice() {}

    /**
     * Opens it.
     *
     * @param backing what is behind it
     * @param engine below a file
     * @param direct whether a file is used past the page cache
     * @param depth how many bios are in flight
     * @param writes whether the trace changes it
     * @return the device, to be closed
     * @throws UsageException if it cannot be had
     */
    public static Device open(Backing backing, EngineName engine, boolean direct, int depth, boolean writes)
            throws UsageException {
        return Device.open(DeviceRequest.builder(NAME, Location.ofOption(OPTION)).backing(backing).users(1, depth)
                .engine(engine, direct).access(false, writes).build(), Layout.SILENT);
    }

    /**
     * Refuses to overwrite data that nobody has said may be overwritten.
     *
     * @param backing what is behind the device
     * @param summary of the trace
     * @param allowed whether it was said
     * @throws UsageException if so
     */
    public static void requireMayWrite(Backing backing, TraceSummary summary, boolean allowed) throws UsageException {
        long writes = summary.operations().entrySet().stream()
                .filter(each -> each.getKey().isWrite() && each.getKey() != Operation.FLUSH)
                .mapToLong(each -> each.getValue().count()).sum();
        if (backing.hasDataBefore() && writes > 0 && !allowed) {
            throw new UsageException(OPTION + " " + backing.text() + ": the trace has " + writes
                    + " writes, which would overwrite the "
                    + (backing.kind() == Backing.Kind.FILE
                            ? "file"
                            : backing.kind() == Backing.Kind.IMAGE ? "image" : "export")
                    + "; --overwrite allows it");
        }
    }
}
