package io.blkmq.testkit.junit;

import io.blkmq.core.Disk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationFailure;
import io.blkmq.testkit.disk.SeenRequest;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Gives a method that is annotated with {@link SimulatedDiskTest} its disk, and looks for leaks after it. The annotation brings it along.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // who uses it has JUnit and AssertJ
public final class SimulatedDiskExtension
        implements
            BeforeEachCallback,
            AfterEachCallback,
            ParameterResolver,
            InvocationInterceptor,
            TestExecutionExceptionHandler {
    private static final ExtensionContext.Namespace NAMESPACE = ExtensionContext.Namespace
            .create(SimulatedDiskExtension.class);
    /** Threads that are about to end when the method has ended have this long. */
    private static final Duration ENDING = Duration.ofSeconds(2);
    /** What only a late thread holds, a test has not left: the machine may be slow. */
    private static final Duration TAGS_ENDING = Duration.ofSeconds(20);
    private static final String SEED = "blkmq.seed";
    private static final Rest NOTHING = new Rest(0, List.of(), 0);

    /** Made by JUnit. */
    public SimulatedDiskExtension() {}

    /** What a method has. */
    private static final class Setting {
        final SimulatedDisk disk;
        final @Nullable DeterministicRuntime runtime;
        final long seed;
        final Set<Thread> before;
        final long buffersBefore;
        /** What a method that has run in a simulation has left. Its disk is closed there, or cannot be closed any more. */
        @Nullable
        Rest rest;

        Setting(SimulatedDisk disk, @Nullable DeterministicRuntime runtime, long seed, Set<Thread> before,
                long buffersBefore) {
            this.disk = disk;
            this.runtime = runtime;
            this.seed = seed;
            this.before = before;
            this.buffersBefore = buffersBefore;
        }
    }

    /** Sleeps for so many nanoseconds. */
    @FunctionalInterface
    private interface Sleep {
        void nanos(long nanos) throws InterruptedException;
    }

    /** What a method has left at its disk. */
    private record Rest(int inFlight, List<SeenRequest> requests, int tags) {
        static Rest of(SimulatedDisk disk, LongSupplier clock, Sleep sleep) throws InterruptedException {
            int inFlight = disk.inFlight();
            List<SeenRequest> requests = disk.lastRequests().stream().filter(request -> request.status() == null)
                    .toList();
            return new Rest(inFlight, requests, inFlight > 0 ? 0 : heldTags(disk, clock, sleep));
        }

        boolean isNothing() {
            return inFlight == 0 && tags == 0;
        }

        AssertionError error() {
            return new AssertionError(inFlight > 0
                    ? "the test left " + inFlight + " requests at the disk: " + requests
                    : "the test left " + tags + " tags in use: a plug that is not closed holds them");
        }
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        SimulatedDiskTest wanted = AnnotationSupport.findAnnotation(context.getElement(), SimulatedDiskTest.class)
                .orElseThrow();
        long seed = seedOf(context);
        DeterministicRuntime runtime = wanted.deterministic() ? new DeterministicRuntime(seed) : null;
        Set<Thread> before = new HashSet<>(Thread.getAllStackTraces().keySet());
        SimulatedDisk.Builder builder = wanted.kind().builder().seed(seed);
        if (wanted.capacityBytes() != 0) {
            builder.capacityBytes(wanted.capacityBytes());
        }
        if (runtime != null) {
            builder.runtime(runtime);
        }
        try {
            SimulatedDisk disk = builder.build();
            boolean isSet = false;
            try {
                AnnotationSupport.findRepeatableAnnotations(context.getElement(), Fault.class)
                        .forEach(fault -> disk.faults().add(FaultRules.of(fault, seed, disk.disk().sizeBytes())));
                context.getStore(NAMESPACE).put(Setting.class,
                        new Setting(disk, runtime, seed, before, IoBuffer.usage().usedBytes()));
                isSet = true;
            } finally {
                if (!isSet) {
                    disk.close();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long seedOf(ExtensionContext context) {
        // Not Long.getLong, which takes a number that is malformed for none.
        String given = System.getProperty(SEED);
        if (given != null) {
            try {
                return Long.decode(given);
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("-D" + SEED + "=" + given + ": a number of 64 bits is possible", e);
            }
        }
        return AnnotationSupport.findAnnotation(context.getElement(), Seed.class)
                .or(() -> AnnotationSupport.findAnnotation(context.getRequiredTestClass(), Seed.class)).map(Seed::value)
                .orElse(1L);
    }

    private static Setting setting(ExtensionContext context) {
        return Objects.requireNonNull(settingIfAny(context));
    }

    private static @Nullable Setting settingIfAny(ExtensionContext context) {
        return context.getStore(NAMESPACE).get(Setting.class, Setting.class);
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == SimulatedDisk.class || type == Disk.class
                || (type == DeterministicRuntime.class && setting(context).runtime != null);
    }

    @Override
    public @Nullable Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        Setting setting = setting(context);
        return type == SimulatedDisk.class ? setting.disk : type == Disk.class ? setting.disk.disk() : setting.runtime;
    }

    @Override
    public void interceptTestMethod(Invocation<Void> invocation, ReflectiveInvocationContext<Method> method,
            ExtensionContext context) throws Throwable {
        Setting setting = setting(context);
        DeterministicRuntime runtime = setting.runtime;
        if (runtime == null) {
            invocation.proceed();
        } else {
            runIn(runtime, setting, invocation);
        }
    }

    /** Runs the method in a simulation, and closes its disk there: nothing else could wait for what is in flight. */
    private static void runIn(DeterministicRuntime runtime, Setting setting, Invocation<Void> invocation)
            throws Throwable {
        Throwable[] thrown = new Throwable[1];
        try {
            runtime.run(_ -> {
                Throwable failure = null;
                try {
                    invocation.proceed();
                } catch (Throwable t) {
                    failure = t;
                }
                // If the simulation has failed and this is its end, this throws: what the method has thrown is none of its own.
                runtime.switchPoint();
                if (failure != null) {
                    thrown[0] = failure;
                }
                setting.rest = failure != null ? NOTHING : Rest.of(setting.disk, runtime::nanoTime, runtime::sleep);
                setting.disk.close();
            });
        } catch (SimulationFailure e) {
            // What is left may keep the disk from being closed.
            Throwable cause = thrown[0] == null && setting.rest != null && !setting.rest.isNothing()
                    ? setting.rest.error()
                    : thrown[0];
            if (cause == null) {
                throw e;
            }
            cause.addSuppressed(e);
            throw cause;
        }
        if (thrown[0] != null) {
            throw thrown[0];
        }
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        Setting setting = setting(context);
        List<SeenRequest> last = setting.disk.lastRequests();
        String requests = last.isEmpty()
                ? "the disk has seen no requests"
                : "the last requests of the disk:\n  "
                        + last.stream().map(SeenRequest::toString).collect(Collectors.joining("\n  "));
        failure.addSuppressed(new DiskHistoryNote(
                "seed " + setting.seed + ", replay with -D" + SEED + "=" + setting.seed + "; " + requests));
        throw failure;
    }

    /** Tells with a failure what the disk has seen; it has no stack of its own. */
    private static final class DiskHistoryNote extends RuntimeException {
        private static final long serialVersionUID = 1;

        DiskHistoryNote(String text) {
            super(text, null, false, false);
        }
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        Setting setting = settingIfAny(context);
        if (setting == null) {
            return; // there could be no disk, which has been told
        }
        boolean failed = context.getExecutionException().isPresent();
        Rest rest = setting.rest;
        if (rest == null) {
            rest = failed ? NOTHING : Rest.of(setting.disk, System::nanoTime, TimeUnit.NANOSECONDS::sleep);
            setting.disk.close();
        }
        if (failed) {
            return;
        }
        if (!rest.isNothing()) {
            throw rest.error();
        }
        long buffers = IoBuffer.usage().usedBytes() - setting.buffersBefore;
        if (buffers > 0 && context.getExecutionMode() == ExecutionMode.SAME_THREAD) {
            throw new AssertionError("the test left buffers of " + buffers + " bytes: an IoBuffer that is not closed");
        }
        List<String> threads = threadsSince(setting.before);
        if (!threads.isEmpty()) {
            throw new AssertionError("the test left threads: " + threads);
        }
    }

    /** The tags that are held; they are freed shortly after the completions of their bios have returned. */
    private static int heldTags(SimulatedDisk simulated, LongSupplier clock, Sleep sleep) throws InterruptedException {
        long end = clock.getAsLong() + TAGS_ENDING.toNanos();
        while (!simulated.disk().isClosed() && simulated.disk().queue().heldTags() > 0 && clock.getAsLong() - end < 0) {
            sleep.nanos(1_000_000);
        }
        return simulated.disk().isClosed() ? 0 : simulated.disk().queue().heldTags();
    }

    /** The platform threads that were not there before, and do not end by themselves. */
    private static List<String> threadsSince(Set<Thread> before) throws InterruptedException {
        long end = System.nanoTime() + ENDING.toNanos();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (isTheTests(thread, before)) {
                thread.join(Math.max(1, (end - System.nanoTime()) / 1_000_000));
            }
        }
        return Thread.getAllStackTraces().keySet().stream().filter(thread -> isTheTests(thread, before))
                .map(Thread::getName).sorted().toList();
    }

    private static boolean isTheTests(Thread thread, Set<Thread> before) {
        ThreadGroup group = thread.getThreadGroup();
        return thread.isAlive() && thread != Thread.currentThread() && !before.contains(thread) && group != null
                && !group.getName().equals("system") && !group.getName().equals("InnocuousThreadGroup")
                && !thread.getName().startsWith("blkmq-") && !thread.getName().startsWith("ForkJoinPool");
    }
}
