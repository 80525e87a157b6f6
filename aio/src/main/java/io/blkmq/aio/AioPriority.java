package io.blkmq.aio;

/**
 * The priority of an operation towards others at the device ({@link Kiocb#priority}), as {@code ionice} sets it for a process. It is the
 * device's scheduler that follows it: {@code mq-deadline}, {@code bfq} and devices with priorities of their own do, {@code none} and
 * {@code kyber} do not. The kernel's {@code IOPRIO_PRIO_VALUE}.
 *
 * @param kind the class
 * @param level within the class, 0 (first) to 7 (last); 0 for {@link Kind#DEFAULT} and {@link Kind#IDLE}
 * @since 0.1.0
 */
public record AioPriority(Kind kind, int level) {

    /** The lowest level of a class. */
    public static final int LEVEL_MAX = 7;

    /** As the thread has it that hands the operation to the kernel. */
    public static final AioPriority DEFAULT = new AioPriority(Kind.DEFAULT, 0);
    /** When nobody else needs the device. */
    public static final AioPriority IDLE = new AioPriority(Kind.IDLE, 0);

    private static final int CLASS_SHIFT = 13;

    /** The classes of priority. */
    public enum Kind {
        /** The thread's own. */
        DEFAULT(0),
        /** Before all others; the process needs a privilege ({@code CAP_SYS_NICE}), otherwise the result is EPERM. */
        REALTIME(1),
        /** The usual. */
        BEST_EFFORT(2),
        /** Behind all others. */
        IDLE(3);

        /** The kernel's {@code IOPRIO_CLASS_...}. */
        final int number;

        Kind(int number) {
            this.number = number;
        }
    }

    /**
     * Checks its level.
     *
     * @throws IllegalArgumentException if the level is not in 0 to {@value #LEVEL_MAX}, or the class has no levels
     */
    public AioPriority {
        int max = kind == Kind.REALTIME || kind == Kind.BEST_EFFORT ? LEVEL_MAX : 0;
        if (level < 0 || level > max) {
            throw new IllegalArgumentException("level " + level + " of " + kind + " is not in 0 to " + max);
        }
    }

    /** As the kernel has it. */
    short value() {
        return (short) (kind.number << CLASS_SHIFT | level);
    }
}
