package io.blkmq.tools.job;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The values of the key {@code ioengine}: fio's names of what blkmq's engines do, and those of blkmq's own. */
@SuppressWarnings("ImmutableEnumChecker") // the lists are unmodifiable
public enum EngineName {
    /** Linux io_uring. */
    IO_URING("io_uring", "io_uring", false),
    /** Linux kernel AIO. */
    LIBAIO("libaio", "libaio", false),
    /** Blocking I/O, by a pool of threads, as deep as the job says. */
    POSIXAIO("posixaio", "channel", false, "solarisaio", "windowsaio"),
    /** Blocking I/O, one operation at a time. */
    PSYNC("psync", "channel", true, "sync", "vsync", "pvsync", "pvsync2", "mmap", "splice"),
    /** The file's content in memory: what is written goes nowhere else. Not one of fio's. */
    MEMORY("memory", "memory", false),
    /** An image on Ceph. */
    RBD("rbd", "rbd", false),
    /** No I/O at all. */
    NULL("null", "null", false);

    /** Engines of fio that make no sense here, and why. */
    private static final Map<String, String> REFUSED = Map.ofEntries(
            Map.entry("net", "is about sockets and not about disks"),
            Map.entry("netsplice", "is about sockets and not about disks"),
            Map.entry("cpuio", "burns processor time and does no I/O"),
            Map.entry("exec", "runs another program; run it beside blkmq"),
            Map.entry("rdma", "is about RDMA, which blkmq does not speak; attach a file or a device"),
            Map.entry("librpma_apm_client", "is about RDMA, which blkmq does not speak"),
            Map.entry("librpma_apm_server", "is about RDMA, which blkmq does not speak"),
            Map.entry("librpma_gpspm_client", "is about RDMA, which blkmq does not speak"),
            Map.entry("librpma_gpspm_server", "is about RDMA, which blkmq does not speak"),
            Map.entry("rados", "is about objects of Ceph, and no disk; use rbd on an image"),
            Map.entry("gfapi", "is about GlusterFS; mount the volume and attach a file of it"),
            Map.entry("gfapi_async", "is about GlusterFS; mount the volume and attach a file of it"),
            Map.entry("http", "is about HTTP and not about disks"), Map.entry("libhdfs", "is about HDFS"),
            Map.entry("nfs", "has an NFS client of its own; mount the export and attach a file of it"),
            Map.entry("libiscsi", "has an iSCSI client of its own; attach the device that the kernel makes"),
            Map.entry("nbd",
                    "has an NBD client of its own; attach the export by its URI: --attach NAME=nbd://host/export"),
            Map.entry("sg", "sends SCSI commands; use libaio or io_uring on the block device"),
            Map.entry("io_uring_cmd", "sends NVMe commands; use io_uring on the block device"),
            Map.entry("xnvme", "sends NVMe commands; use io_uring on the block device"),
            Map.entry("libblkio", "has drivers of its own; use io_uring on the block device"),
            Map.entry("libzbc", "is about zoned devices, which blkmq does not have"),
            Map.entry("mtd", "is about raw flash"), Map.entry("dev-dax", "is about persistent memory as a device"),
            Map.entry("libpmem", "is about persistent memory; use mmap or psync on a file there"),
            Map.entry("pmemblk", "is about persistent memory; use psync on a file there"),
            Map.entry("libcufile", "is about the memory of graphics processors"), Map.entry("dfs", "is about DAOS"),
            Map.entry("ime", "is about DDN's IME"), Map.entry("ime_psync", "is about DDN's IME"),
            Map.entry("ime_psyncv", "is about DDN's IME"), Map.entry("ime_aio", "is about DDN's IME"),
            Map.entry("filecreate", "is about names of files and not about disks"),
            Map.entry("filestat", "is about names of files and not about disks"),
            Map.entry("filedelete", "is about names of files and not about disks"),
            Map.entry("ftruncate", "is about the length of files; a disk has a fixed size"),
            Map.entry("falloc", "is about the allocation of files; use rw=trim to discard"),
            Map.entry("e4defrag", "is about ext4's extents"), Map.entry("cpp_null", "loads native code; use null"),
            Map.entry("external", "loads native code; the engines of blkmq are its own"));

    private final String fioName;
    private final String aioName;
    private final boolean synchronous;
    private final List<String> aliases;

    EngineName(String fioName, String aioName, boolean synchronous, String... aliases) {
        this.fioName = fioName;
        this.aioName = aioName;
        this.synchronous = synchronous;
        this.aliases = List.of(aliases);
    }

    /**
     * The engine of that name.
     *
     * @param name as in a job file
     * @return the engine
     * @throws IllegalArgumentException if there is none, with the reason or the names that there are
     */
    public static EngineName parse(String name) {
        String wanted = name.strip();
        String plain = wanted.startsWith("external:") ? "external" : wanted;
        for (EngineName engine : values()) {
            if (engine.names().anyMatch(plain::equals)) {
                return engine;
            }
        }
        String why = REFUSED.get(plain);
        throw new IllegalArgumentException(
                "\"" + wanted + "\" " + (why != null ? why : "is not known; possible are " + allNames()));
    }

    /** Whether fio has such an engine and blkmq will not. */
    static boolean isRefused(String name) {
        return REFUSED.containsKey(name);
    }

    private static String allNames() {
        return Arrays.stream(values()).flatMap(EngineName::names).collect(Collectors.joining(", "));
    }

    /**
     * All its names in a job file.
     *
     * @return the first is {@link #fioName}
     */
    public Stream<String> names() {
        return Stream.concat(Stream.of(fioName), aliases.stream());
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
     * Whether a job has one operation in flight, whatever it says about its depth.
     *
     * @return true for blocking calls of the job's thread
     */
    public boolean isSynchronous() {
        return synchronous;
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
