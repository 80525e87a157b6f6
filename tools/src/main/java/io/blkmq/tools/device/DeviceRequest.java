package io.blkmq.tools.device;

import io.blkmq.tools.job.EngineName;
import io.blkmq.tools.job.Location;
import java.util.Optional;

/**
 * What the jobs that share a device need of it.
 *
 * @param name the device's name inside the command
 * @param backing what the user attached; empty for a temporary image
 * @param threads how many threads submit to it
 * @param depthTotal how many operations they have in flight together
 * @param engine the engine below a loop device
 * @param direct whether a loop device goes past the page cache
 * @param elevator what orders its requests
 * @param workers threads that do blocking I/O; 0 for the default
 * @param imageBytes the size of a temporary image
 * @param location where the jobs say so, for messages
 */
public record DeviceRequest(String name, Optional<Backing> backing, int threads, int depthTotal, EngineName engine,
        boolean direct, String elevator, int workers, long imageBytes, Location location) {}
