package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.mq.BioStep.Act;
import io.blkmq.core.mq.BioStep.Io;
import io.blkmq.core.mq.BioStep.Kind;
import io.blkmq.core.mq.BioStep.Knob;
import io.blkmq.core.mq.BioStep.Memory;
import io.blkmq.core.mq.BioStep.Piece;
import io.blkmq.core.mq.BioStep.Relimit;
import io.blkmq.core.mq.BioStep.Setting;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.sim.DeterministicRuntime;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Carries a program of bios out on a device of its own, and fails if anything of it was wrong. */
final class BioUsers {
    private final DeterministicRuntime runtime;
    private final List<BioStep> steps;
    private final BioLedger ledger;
    private final BioDevice device;
    private final TagSet set;
    private final RequestQueue queue;
    private final Disk disk;
    private final BioMemory memory = new BioMemory();
    private final Submitter[] submitters = new Submitter[BioStepGenerator.SUBMITTERS_MAX];

    /** A thread with its plug and its bios. */
    private static final class Submitter {
        final int number;
        /** Used again and again. */
        final Deque<Bio> bios = new ArrayDeque<>();
        @Nullable
        Plug plug;
        int outstanding;

        Submitter(int number) {
            this.number = number;
        }
    }

    private BioUsers(DeterministicRuntime runtime, List<BioStep> steps, BioLedger ledger, BioDevice device, TagSet set,
            RequestQueue queue) {
        this.runtime = runtime;
        this.steps = steps;
        this.ledger = ledger;
        this.device = device;
        this.set = set;
        this.queue = queue;
        this.disk = Disk.of(queue, null);
        for (int i = 0; i < submitters.length; i++) {
            submitters[i] = new Submitter(i);
        }
    }

    /** Runs a program. */
    static BioLedger run(DeterministicRuntime runtime, List<BioStep> steps) throws IOException {
        int capacity = Setting.of(Knob.CAPACITY_SECTORS, steps);
        BioLedger ledger = new BioLedger(capacity);
        BioDevice device = new BioDevice(runtime, steps, ledger);
        TagSet.Builder builder = TagSet.builder(device).runtime(runtime).depth(Setting.of(Knob.DEPTH, steps))
                .hardwareQueues(Setting.of(Knob.HARDWARE_QUEUES, steps)).readQueues(Setting.of(Knob.READ_QUEUES, steps))
                .reservedTags(Setting.of(Knob.RESERVED_TAGS, steps));
        flag(builder, steps, Knob.BLOCKING, TagSet.Flag.BLOCKING);
        flag(builder, steps, Knob.HOST_WIDE_TAGS, TagSet.Flag.HOST_WIDE_TAGS);
        flag(builder, steps, Knob.ROUND_ROBIN, TagSet.Flag.ROUND_ROBIN);
        flag(builder, steps, Knob.MERGE, TagSet.Flag.MERGE);
        int nomerges = Setting.of(Knob.NOMERGES, steps);
        boolean changes = steps.stream().anyMatch(step -> step instanceof Act act && act.kind() == Kind.NOMERGES);
        if (Setting.of(Knob.MERGE, steps) == 0 || (nomerges == 2 && !changes)) {
            ledger.expectNoMerges();
        }
        try (TagSet set = builder.build()) {
            RequestQueue queue = set.newQueue("q0", Setting.limits(steps), capacity, null);
            queue.setElevator(BioStep.ELEVATORS.get(Setting.of(Knob.ELEVATOR, steps)));
            queue.setNomerges(nomerges);
            BioUsers users = new BioUsers(runtime, steps, ledger, device, set, queue);
            users.setNrRequests(Setting.of(Knob.NR_REQUESTS, steps));
            users.run();
        }
        return ledger;
    }

    /** As many requests as there can be with any elevator and without one, where that is fewer. */
    private void setNrRequests(int value) {
        if (value > 0 && set.depth() >= 4) {
            queue.setNrRequests(Math.min(value, set.depth()));
        }
    }

    private static void flag(TagSet.Builder builder, List<BioStep> steps, Knob knob, TagSet.Flag flag) {
        if (Setting.of(knob, steps) != 0) {
            builder.flag(flag);
        }
    }

    private void run() {
        List<Thread> threads = new ArrayList<>();
        for (Submitter submitter : submitters) {
            List<BioStep> own = steps.stream().filter(step -> submitterOf(step) == submitter.number).toList();
            if (!own.isEmpty()) {
                threads.add(runtime.spawn("submitter " + submitter.number, () -> live(submitter, own)));
            }
        }
        threads.forEach(runtime::join);
        require(queue.close(Long.MAX_VALUE), "the queue did not close");
        require(device.inFlight() == 0, device.inFlight() + " requests in flight at the end");
        require(queue.heldTags() == 0, queue.heldTags() + " tags held at the end");
        require(queue.strayCompletions() == 0, queue.strayCompletions() + " stray completions");
        ledger.requireAllEnded(device.data());
        requireRight();
    }

    private static int submitterOf(BioStep step) {
        return switch (step) {
            case Io io -> io.submitter();
            case Act act -> act.submitter();
            case Relimit relimit -> relimit.submitter();
            case Setting _ -> -1;
        };
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private void requireRight() {
        require(ledger.isRight(), String.join("\n  ", ledger.wrong()));
    }

    // ---- a submitter

    private void live(Submitter self, List<BioStep> own) throws IOException {
        self.plug = disk.plug();
        for (BioStep step : own) {
            requireRight();
            switch (step) {
                case Io io -> submit(self, io);
                case Act act -> act(self, act);
                case Relimit relimit -> relimit(relimit);
                case Setting _ -> throw new AssertionError("a setting is nobody's");
            }
        }
        await(self);
    }

    /** Waits until nothing of it is under way. Once something is wrong, that may never be. */
    private void await(Submitter self) {
        unplug(self);
        runtime.await("the bios of submitter " + self.number + " end",
                () -> self.outstanding == 0 || !ledger.isRight());
        requireRight();
    }

    private static void unplug(Submitter self) {
        if (self.plug != null) {
            self.plug.flush();
        }
    }

    private void act(Submitter self, Act act) throws IOException {
        switch (act.kind()) {
            case WAIT -> await(self);
            case UNPLUG -> unplug(self);
            case SLEEP -> runtime.sleep(act.number() * 1_000L);
            case FREEZE -> {
                queue.freeze();
                require(device.inFlight() == 0, device.inFlight() + " requests in flight at a frozen queue");
                queue.unfreeze();
            }
            case QUIESCE -> {
                queue.quiesce();
                runtime.sleep(aWhile(act));
                queue.unquiesce();
            }
            case STOP -> {
                HardwareContext hctx = queue.hardwareContext(act.number() % queue.hardwareContexts());
                hctx.stop();
                runtime.sleep(aWhile(act));
                hctx.start();
            }
            case OTHER_QUEUES -> set.updateHardwareQueues(1 + act.number() % 3);
            case ELEVATOR ->
                unlessClosed(() -> queue.setElevator(BioStep.ELEVATORS.get(act.number() % BioStep.ELEVATORS.size())));
            case NOMERGES -> queue.setNomerges(act.number() % 3);
            case NR_REQUESTS -> unlessClosed(() -> setNrRequests(3 + act.number()));
            case DIE -> {
                ledger.dies();
                queue.markDead();
            }
        }
    }

    private static long aWhile(Act act) {
        return act.number() == BioStep.A_LONG_WHILE ? TimeUnit.SECONDS.toNanos(70) : act.number() * 500L;
    }

    /** Of a device that is gone little can be changed. */
    private void unlessClosed(Runnable change) {
        try {
            change.run();
        } catch (IllegalStateException e) {
            if (!ledger.isDead()) {
                throw e;
            }
        }
    }

    private void relimit(Relimit relimit) {
        List<BioStep> now = new ArrayList<>(steps.stream().filter(BioUsers::staysWithTheDevice).toList());
        now.addAll(relimit.settings());
        QueueLimits limits = Setting.limits(now);
        queue.freeze();
        // On both sides: a bio may come in, and even end, in between.
        ledger.relimited(limits);
        queue.setLimits(limits);
        ledger.relimited(limits);
        queue.unfreeze();
    }

    private static boolean staysWithTheDevice(BioStep step) {
        return step instanceof Setting setting
                && (setting.knob() == Knob.LOGICAL_BLOCK_BYTES || setting.knob() == Knob.WRITE_CACHE);
    }

    // ---- its bios

    private void submit(Submitter self, Io io) {
        if (!ledger.isFree(io)) {
            // Perhaps it waits for what its own plug holds back. Where blkmq makes it wait, that goes down by itself.
            unplug(self);
            runtime.await("sectors " + io.sector() + " to " + (io.sector() + io.sectors()) + " are free",
                    () -> ledger.isFree(io) || !ledger.isRight());
            requireRight();
        }
        submit(self, io, io.plugged() ? self.plug : null);
    }

    private void submit(Submitter self, Io io, @Nullable Plug plug) {
        List<BioMemory.Place> places = new ArrayList<>();
        for (Piece piece : io.pieces()) {
            BioMemory.Place place = memory.place(piece);
            if (place == null) {
                return;
            }
            places.add(place);
        }
        Bio reused = self.bios.pollLast();
        Bio bio = reused != null ? reused : new Bio(BioStepGenerator.PIECES_MAX);
        bio.reset(io.operation(), io.sector()).flags(io.flags()).priority(io.priority()).lifetime(io.lifetime());
        if (io.operation().hasData()) {
            for (BioMemory.Place place : places) {
                bio.add(BioMemory.asGiven(place), place.offset(), place.piece().bytes());
            }
        } else if (io.operation().hasRange()) {
            bio.length(io.bytes());
        }
        BioLedger.Entry entry = ledger.begins(io, places, queue.limits());
        bio.onEnd(ended -> ended(self, entry, ended));
        self.outstanding++;
        try {
            if (plug != null) {
                plug.submit(bio);
            } else {
                queue.submit(bio);
            }
        } catch (IllegalStateException e) {
            self.outstanding--;
            ledger.refused(entry);
            if (!queue.isDying()) {
                throw e;
            }
        }
    }

    private void ended(Submitter self, BioLedger.Entry entry, Bio bio) {
        Status status = bio.status();
        ledger.ended(entry, status);
        self.bios.addLast(bio);
        Io io = entry.io;
        if (io.readBack() && status == Status.OK && ledger.isRight()) {
            // By whoever tells of the end, which is often no submitter.
            submit(self,
                    new Io(self.number, Operation.READ, io.sector(), io.sectors(),
                            List.of(new Piece(Memory.POOL, 4096, 0, (int) io.bytes())), 0, IoPriority.NONE,
                            WriteLifetime.NOT_SET, false, false),
                    null);
        }
        self.outstanding--;
    }
}
