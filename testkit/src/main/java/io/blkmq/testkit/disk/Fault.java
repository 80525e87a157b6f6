package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * What goes wrong when a {@link FaultRule} strikes. Immutable.
 *
 * <p>An <i>outcome</i> decides how the request ends: {@link #status}, {@link #noSpace}, {@link #hang}, {@link #timeOut}, {@link #requeue},
 * {@link #remove}. Unless it is said otherwise nothing of the request takes effect then. All others change what the request does, and it
 * ends as it would without them. Several faults may strike one request: one outcome, and one of each other kind; delays add up.
 *
 * @since 0.1.0
 */
public final class Fault {
    private static final long DELAY_NANOS_MAX = TimeUnit.HOURS.toNanos(1);

    /** The kinds. */
    enum Kind {
        STATUS, HANG, TIME_OUT, REQUEUE, REMOVE, DELAY, TORN, SHORT, FLIP_ON_READ, FLIP_AT_REST, MISDIRECT, LOSE, LIE;

        /** The operations that it can strike. */
        Set<Operation> operations() {
            return switch (this) {
                case STATUS, HANG, TIME_OUT, REQUEUE, REMOVE, DELAY -> EnumSet.allOf(Operation.class);
                case TORN, LOSE -> EnumSet.of(Operation.WRITE, Operation.DISCARD, Operation.WRITE_ZEROES);
                case SHORT, FLIP_AT_REST -> EnumSet.of(Operation.READ, Operation.WRITE);
                case FLIP_ON_READ -> EnumSet.of(Operation.READ);
                case MISDIRECT -> EnumSet.of(Operation.WRITE);
                case LIE -> EnumSet.of(Operation.FLUSH, Operation.WRITE);
            };
        }
    }

    private final Kind kind;
    private final String text;
    private final Status status;
    private final long amount;
    private final Set<Operation> operations;

    private Fault(Kind kind, String text, Status status, long amount) {
        this(kind, text, status, amount, kind.operations());
    }

    private Fault(Kind kind, String text, Status status, long amount, Set<Operation> operations) {
        this.kind = kind;
        this.text = text;
        this.status = status;
        this.amount = amount;
        this.operations = operations;
    }

    // ---- outcomes

    /**
     * The request ends with an error, and nothing of it takes effect. {@link Status#RESOURCE} and {@link Status#DEV_RESOURCE} are what a
     * driver answers that cannot take a request now: the block layer gives it again.
     *
     * @param status any but {@link Status#OK}
     * @return the fault
     * @throws IllegalArgumentException if it is {@link Status#OK}
     */
    public static Fault status(Status status) {
        if (status == Status.OK) {
            throw new IllegalArgumentException("status OK: a request that ends well has no fault; lose() and torn() are"
                    + " writes that end well and are not done");
        }
        return new Fault(Kind.STATUS, "status " + status, status, 0);
    }

    /**
     * The disk is full: a write ends with {@link Status#NOSPC}, as on a thin volume whose pool has nothing left.
     *
     * @return the fault
     */
    public static Fault noSpace() {
        return new Fault(Kind.STATUS, "disk full", Status.NOSPC, 0,
                EnumSet.of(Operation.WRITE, Operation.WRITE_ZEROES));
    }

    /**
     * The request is at the device and does not end until {@link DiskFaults#release} or a power cut; with the disk's removal or close it
     * ends with {@link Status#NODEV}. Once released it is carried out.
     *
     * @return the fault
     */
    public static Fault hang() {
        return new Fault(Kind.HANG, "hang", Status.OK, 0);
    }

    /**
     * The device loses the request, and it ends with {@link Status#TIMEOUT} when its time is over
     * ({@link SimulatedDisk.Builder#timeoutNanos}).
     *
     * @return the fault
     */
    public static Fault timeOut() {
        return new Fault(Kind.TIME_OUT, "time-out", Status.TIMEOUT, 0);
    }

    /**
     * The driver gives the request back to the block layer, which gives it again a little later.
     *
     * @return the fault
     */
    public static Fault requeue() {
        return new Fault(Kind.REQUEUE, "requeue", Status.OK, 0);
    }

    /**
     * The device disappears, as by {@link SimulatedDisk#remove}: this request and all others end with {@link Status#NODEV}.
     *
     * @return the fault
     */
    public static Fault remove() {
        return new Fault(Kind.REMOVE, "removal", Status.NODEV, 0);
    }

    // ---- changes of what is done

    /**
     * The request takes longer.
     *
     * @param nanos how much longer: up to an hour
     * @return the fault
     * @throws IllegalArgumentException if it is not positive, or longer
     */
    public static Fault delay(long nanos) {
        require(nanos > 0 && nanos <= DELAY_NANOS_MAX,
                "delay of " + nanos + " ns: 1 to " + DELAY_NANOS_MAX + " are possible; hang() has no end");
        return new Fault(Kind.DELAY, "delay of " + nanos + " ns", Status.OK, nanos);
    }

    /**
     * A write stops after some atomic units, and ends well all the same. Together with an outcome these units take effect and the
     * outcome is what the submitter sees: {@link #status} for a torn write that is told.
     *
     * @param units how many take effect, from the beginning of the write; 0 or more
     * @return the fault
     * @throws IllegalArgumentException if it is negative
     */
    public static Fault torn(int units) {
        require(units >= 0, "torn after " + units + " units: must be 0 or more");
        return new Fault(Kind.TORN, "torn after " + units + " units", Status.OK, units);
    }

    /**
     * The device transfers the beginning of a read or a write alone, and says so: what it has transferred ends well, and the rest with
     * {@link Status#IOERR}. A bio of which only a part was transferred ends with {@link Status#IOERR}; that part has taken effect.
     *
     * @param bytes how much is transferred: whole logical blocks, 0 or more. A request that is not longer is not struck
     * @return the fault
     * @throws IllegalArgumentException if it is negative
     */
    public static Fault shortTransfer(long bytes) {
        require(bytes >= 0, "transfer of " + bytes + " bytes: must be 0 or more");
        return new Fault(Kind.SHORT, "transfer of " + bytes + " bytes", Status.OK, bytes);
    }

    /**
     * Bits of what is read are turned over on the way; another read gets the right ones.
     *
     * @param bits how many, each at a place that the disk's seed chooses; at least 1
     * @return the fault
     * @throws IllegalArgumentException if it is less
     */
    public static Fault flipOnRead(int bits) {
        require(bits > 0, bits + " bits flipped: must be at least 1");
        return new Fault(Kind.FLIP_ON_READ, bits + " bits flipped on read", Status.OK, bits);
    }

    /**
     * Bits are turned over on the medium: in what a read is about to find there, or in what a write puts there. Every later read gets
     * them.
     *
     * @param bits how many, each at a place that the disk's seed chooses; at least 1
     * @return the fault
     * @throws IllegalArgumentException if it is less
     */
    public static Fault flipAtRest(int bits) {
        require(bits > 0, bits + " bits flipped: must be at least 1");
        return new Fault(Kind.FLIP_AT_REST, bits + " bits flipped at rest", Status.OK, bits);
    }

    /**
     * A write goes to another place than it was sent to, and ends well: the right place keeps what it had, and another is overwritten. A
     * place past the end of the device counts on from its beginning.
     *
     * @param bytes how far from the right place: whole logical blocks, positive or negative
     * @return the fault
     * @throws IllegalArgumentException if it is 0
     */
    public static Fault misdirect(long bytes) {
        require(bytes != 0, "misdirected by 0 bytes: that is the right place");
        return new Fault(Kind.MISDIRECT, "misdirected by " + bytes + " bytes", Status.OK, bytes);
    }

    /**
     * A write ends well and is never done.
     *
     * @return the fault
     */
    public static Fault lose() {
        return new Fault(Kind.LOSE, "lost write", Status.OK, 0);
    }

    /**
     * A flush ends well and makes nothing durable; a write with FUA ends well and goes no further than the cache.
     *
     * @return the fault
     */
    public static Fault lie() {
        return new Fault(Kind.LIE, "flush that lies", Status.OK, 0);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    // ---- for the rules and the device

    Kind kind() {
        return kind;
    }

    Status status() {
        return status;
    }

    long amount() {
        return amount;
    }

    Set<Operation> operations() {
        return operations;
    }

    /** Whether a request of one of its operations is one that it makes a difference to. */
    boolean concerns(Operation operation, long bytes, boolean fua) {
        return switch (kind) {
            case SHORT -> bytes > amount;
            case LIE -> operation == Operation.FLUSH || fua;
            default -> true;
        };
    }

    /** Whether it gives the request back to the block layer, which gives it again. */
    boolean comesAgain() {
        return kind == Kind.REQUEUE || isRefusal();
    }

    boolean isRefusal() {
        return status == Status.RESOURCE || status == Status.DEV_RESOURCE;
    }

    @Override
    public String toString() {
        return text;
    }
}
