package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.nbd.server.MemoryBudget;
import io.blkmq.nbd.socket.HandOver;
import io.blkmq.nbd.socket.Slumber;
import io.blkmq.nbd.socket.Tasks;
import org.jspecify.annotations.Nullable;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** Threads that leave something for the loop of a server or a disk of NBD, which may be about to sleep or to end. */
public final class NbdRaces {
    private NbdRaces() {}

    /** What is handed over; its number is written without any order of its own. */
    static final class Item implements HandOver.Item<Item> {
        private int number;
        private @Nullable Item before;

        @Override
        public @Nullable Item before() {
            return before;
        }

        @Override
        public void before(@Nullable Item item) {
            before = item;
        }
    }

    /** Two threads hand over. */
    @JCStressTest
    @Outcome(id = "12", expect = ACCEPTABLE, desc = "one after the other")
    @Outcome(id = "21", expect = ACCEPTABLE, desc = "the other came first")
    @Outcome(expect = FORBIDDEN, desc = "one is lost, comes twice, or has not what was written to it")
    @State
    public static class WhatIsHandedOverComesOnce {
        private final HandOver<Item> handOver = new HandOver<>();
        private final Item one = new Item();
        private final Item other = new Item();
        private int taken;

        /** Adds. */
        @Actor
        public void one() {
            one.number = 1;
            boolean _ = handOver.add(one);
        }

        /** Adds. */
        @Actor
        public void other() {
            other.number = 2;
            boolean _ = handOver.add(other);
        }

        /** Takes both. */
        @Arbiter
        public void after(I_Result result) {
            boolean _ = handOver.takeAll(item -> taken = 10 * taken + item.number);
            result.r1 = taken;
        }
    }

    /** A thread hands over two items, and the loop takes what there is. */
    @JCStressTest
    @Outcome(id = "12", expect = ACCEPTABLE, desc = "in order")
    @Outcome(expect = FORBIDDEN, desc = "out of order, or one is lost, comes twice, or has not what was written to it")
    @State
    public static class TheOrderIsKept {
        private final HandOver<Item> handOver = new HandOver<>();
        private final Item one = new Item();
        private final Item other = new Item();
        private int taken;

        private void take() {
            boolean _ = handOver.takeAll(item -> taken = 10 * taken + item.number);
        }

        /** Adds both. */
        @Actor
        public void giver() {
            one.number = 1;
            boolean _ = handOver.add(one);
            other.number = 2;
            boolean _ = handOver.add(other);
        }

        /** Takes what there is. */
        @Actor
        public void loop() {
            take();
        }

        /** Takes the rest. */
        @Arbiter
        public void after(I_Result result) {
            take();
            result.r1 = taken;
        }
    }

    /** A loop that is about to sleep, and a thread that leaves it something. */
    @JCStressTest
    @Outcome(id = {"0, 0", "0, 1", "1, 1"}, expect = ACCEPTABLE, desc = "it has seen it, or is woken")
    @Outcome(id = "1, 0", expect = FORBIDDEN, desc = "it sleeps, and nobody wakes it")
    @State
    public static class ALoopDoesNotSleepBesideAnItem {
        private final HandOver<Item> handOver = new HandOver<>();
        private int calls;
        private final Slumber slumber = new Slumber(() -> calls++);

        /** Goes to sleep. */
        @Actor
        public void loop(II_Result result) {
            result.r1 = slumber.begin(() -> !handOver.isEmpty()) ? 1 : 0;
        }

        /** Adds, and wakes. */
        @Actor
        public void giver(II_Result result) {
            boolean _ = handOver.add(new Item());
            slumber.wake();
            result.r2 = calls;
        }
    }

    /** Only the item that was the first wakes the loop. */
    @JCStressTest
    @Outcome(id = {"0, 0", "0, 1", "1, 1"}, expect = ACCEPTABLE, desc = "it has seen one, or is woken once")
    @Outcome(expect = FORBIDDEN, desc = "it sleeps, and nobody wakes it, or it is woken for the second item")
    @State
    public static class TheFirstWakes {
        private final HandOver<Item> handOver = new HandOver<>();
        private int calls;
        private final Slumber slumber = new Slumber(() -> calls++);

        /** Goes to sleep. */
        @Actor
        public void loop(II_Result result) {
            result.r1 = slumber.begin(() -> !handOver.isEmpty()) ? 1 : 0;
        }

        /** Adds two, and wakes for the one that was the first. */
        @Actor
        public void giver(II_Result result) {
            for (int i = 0; i < 2; i++) {
                if (handOver.add(new Item())) {
                    slumber.wake();
                }
            }
            result.r2 = calls;
        }
    }

    /** A task for a loop that ends. */
    @JCStressTest
    @Outcome(id = {"1, 1", "0, 0"}, expect = ACCEPTABLE, desc = "accepted and done, or refused and not done")
    @Outcome(expect = FORBIDDEN, desc = "accepted and not done, or done although it was refused")
    @State
    public static class AnAcceptedTaskIsDone {
        private final Tasks tasks = new Tasks();
        private int done;

        /** Adds. */
        @Actor
        public void giver(II_Result result) {
            result.r1 = tasks.add(() -> done++) ? 1 : 0;
        }

        /** Does what there is, and ends. */
        @Actor
        public void loop() {
            tasks.runAll(Runnable::run);
            tasks.end(Runnable::run);
        }

        /** Looks. */
        @Arbiter
        public void after(II_Result result) {
            result.r2 = done;
        }
    }

    /** Memory that is given back while another connection is refused for want of it. */
    @JCStressTest
    @Outcome(id = {"1, 0", "1, 1",
            "0, 1"}, expect = ACCEPTABLE, desc = "it has the memory, or is told that some is back")
    @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "it waits for memory that is free")
    @State
    public static class NobodyWaitsForFreeMemory {
        private int told;
        private final MemoryBudget budget = new MemoryBudget(1, () -> told++);

        /** All is taken. */
        public NobodyWaitsForFreeMemory() {
            boolean _ = budget.tryTake(1);
        }

        /** Gives all back. */
        @Actor
        public void giver(II_Result result) {
            budget.give(1);
            result.r2 = told;
        }

        /** Wants it. */
        @Actor
        public void taker(II_Result result) {
            result.r1 = budget.tryTake(1) ? 1 : 0;
        }
    }
}
