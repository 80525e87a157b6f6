package io.blkmq.tools.job;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The values of the key {@code ioengine}: fio's names of what blkmq's engines do, and those of blkmq's own. */
public enum EngineName {
    /** Linux io_uring. */
    IO_URING("io_uring", "io_uring"),
    /** Linux kernel AIO. */
    LIBAIO("libaio", "libaio"),
    /** Blocking I/O, by a pool of threads. */
    SYNC("sync", "channel"),
    /** Blocking I/O, by a pool of threads. */
    PSYNC("psync", "channel"),
    /** Blocking I/O, by a pool of threads. */
    VSYNC("vsync", "channel"),
    /** Blocking I/O, by a pool of threads. */
    PVSYNC("pvsync", "channel"),
    /** The file's content in memory: what is written goes nowhere else. Not one of fio's. */
    MEMORY("memory", "memory"),
    /** No I/O at all. */
    NULL("null", "null");

    private final String fioName;
    private final String aioName;

    EngineName(String fioName, String aioName) {
        this.fioName = fioName;
        this.aioName = aioName;
    }

    /**
     * The engine of that name.
     *
     * @param name as in a job file
     * @return the engine
     * @throws IllegalArgumentException if there is none, naming those there are
     */
    public static EngineName parse(String name) {
        for (EngineName engine : values()) {
            if (engine.fioName.equals(name.strip())) {
                return engine;
            }
        }
        throw new IllegalArgumentException("\"" + name.strip() + "\" is not known; possible are "
                + Arrays.stream(values()).map(EngineName::fioName).collect(Collectors.joining(", ")));
    }

    /**
     * Its name in a job file.
     *
     * @return fio's name, if fio has such an engine
     */
    public String fioName() {
        return fioName;
    }

    /**
     * Whether there is no file below it, so that it makes no difference whether the page cache is passed by.
     *
     * @return true of engines that are used whatever a job says about direct I/O
     */
    public boolean hasNoFile() {
        return this == MEMORY || this == NULL;
    }

    /**
     * The name of the engine that does it.
     *
     * @return blkmq's name
     */
    public String aioName() {
        return aioName;
    }
}
