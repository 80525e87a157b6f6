package io.blkmq.tools.device;

import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.List;

/** The devices of a run: all of them, or none. */
public final class OpenDevices implements AutoCloseable {
    private final List<Device> devices = new ArrayList<>();

    private OpenDevices() {}

    /**
     * Makes devices.
     *
     * @param requests what is needed of each
     * @param layout is told when images are written
     * @return all of them, to be closed
     * @throws UsageException if one cannot be had; those made before are closed then
     */
    public static OpenDevices open(List<DeviceRequest> requests, Layout layout) throws UsageException {
        OpenDevices open = new OpenDevices();
        boolean complete = false;
        try {
            for (DeviceRequest request : requests) {
                open.devices.add(Device.open(request, layout));
            }
            complete = true;
            return open;
        } finally {
            if (!complete) {
                open.close();
            }
        }
    }

    /**
     * All of them.
     *
     * @return in the order of the requests
     */
    public List<Device> all() {
        return List.copyOf(devices);
    }

    /**
     * One of them.
     *
     * @param name its name inside the command
     * @return the device
     */
    public Device named(String name) {
        return devices.stream().filter(device -> device.name().equals(name)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no device " + name));
    }

    /** Detaches all, also if one makes difficulties. */
    @Override
    public void close() {
        RuntimeException first = null;
        for (Device device : devices.reversed()) {
            try {
                device.close();
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        devices.clear();
        if (first != null) {
            throw first;
        }
    }
}
