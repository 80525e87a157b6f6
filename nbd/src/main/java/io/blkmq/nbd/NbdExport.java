package io.blkmq.nbd;

import io.blkmq.core.Disk;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A disk under the name by which clients ask for it. Immutable. The disk stays its owner's: the server neither opens nor closes it.
 *
 * @since 0.1.0
 */
public final class NbdExport {
    /** The longest name, in bytes of UTF-8. */
    public static final int NAME_BYTES_MAX = 4096;

    private final String name;
    private final Disk disk;
    private final String description;
    private final boolean readOnly;
    private final @Nullable AllocationMap allocation;

    private NbdExport(Builder b) {
        this.name = b.name;
        this.disk = b.disk;
        this.description = b.description;
        this.readOnly = b.readOnly;
        this.allocation = b.allocation;
    }

    /**
     * Begins to describe an export that can be written, as far as its disk can.
     *
     * @param name what clients ask for; the empty name is that of the default export
     * @param disk what they get. A polled disk is polled by the server's threads, and needs a hardware queue for each of them
     * @return a new builder
     * @throws IllegalArgumentException if the name is too long, or has a NUL
     */
    public static Builder builder(String name, Disk disk) {
        return new Builder(text("name", name), disk);
    }

    private static String text(String what, String text) {
        int bytes = text.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > NAME_BYTES_MAX) {
            throw new IllegalArgumentException(what + " of " + bytes + " bytes: " + NAME_BYTES_MAX + " are possible");
        }
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(what + " with a NUL at " + text.indexOf('\0'));
        }
        return text;
    }

    /**
     * Its name.
     *
     * @return perhaps empty
     */
    public String name() {
        return name;
    }

    /**
     * Its disk.
     *
     * @return as given
     */
    public Disk disk() {
        return disk;
    }

    /**
     * A text for people.
     *
     * @return empty if none was set
     */
    public String description() {
        return description;
    }

    /**
     * Whether writes are refused, whatever the disk allows.
     *
     * @return false by default
     */
    public boolean isReadOnly() {
        return readOnly;
    }

    /**
     * What is allocated.
     *
     * @return null if nothing is known: then all is
     */
    public @Nullable AllocationMap allocation() {
        return allocation;
    }

    /** Describes an export. For one thread. */
    public static final class Builder {
        private final String name;
        private final Disk disk;
        private String description = "";
        private boolean readOnly;
        private @Nullable AllocationMap allocation;

        private Builder(String name, Disk disk) {
            this.name = name;
            this.disk = disk;
        }

        /**
         * Sets a text for people, which clients see in a list.
         *
         * @param value any text without NUL
         * @return this
         * @throws IllegalArgumentException if it is too long, or has a NUL
         */
        public Builder description(String value) {
            this.description = text("description", value);
            return this;
        }

        /**
         * Sets whether writes are refused.
         *
         * @param value true to refuse them
         * @return this
         */
        public Builder readOnly(boolean value) {
            this.readOnly = value;
            return this;
        }

        /**
         * Sets what tells which parts are allocated.
         *
         * @param value a map of the disk
         * @return this
         */
        public Builder allocation(AllocationMap value) {
            this.allocation = value;
            return this;
        }

        /**
         * Makes the export.
         *
         * @return the export
         */
        public NbdExport build() {
            return new NbdExport(this);
        }
    }
}
