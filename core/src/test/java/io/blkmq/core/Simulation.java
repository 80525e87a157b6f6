package io.blkmq.core;

import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationFailure;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.RandomSeed;
import java.lang.reflect.Method;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.opentest4j.TestAbortedException;

/**
 * Makes each test of a class the first thread of a simulation: {@code @RegisterExtension final Simulation simulation}. What is made
 * before the test, and closed after it, is so while the simulation does not run. Its seed follows from the class and is in the message
 * of what fails.
 */
@SuppressWarnings("exports") // tests are in the module, but nobody is given them
public final class Simulation implements InvocationInterceptor {
    private final DeterministicRuntime runtime;

    /**
     * For one test.
     *
     * @param test its class
     */
    public Simulation(Class<?> test) {
        long seed = RandomSeed.next(test);
        this.runtime = new DeterministicRuntime(seed,
                SimulationOptions.DEFAULT.withReplay(RandomSeed.replay(test, seed)));
    }

    /**
     * Runs a simulation within a test that is none as a whole.
     *
     * @param test its class
     * @param body the first thread
     */
    public static void run(Class<?> test, DeterministicRuntime.Body body) {
        var _ = new Simulation(test).runtime.run(body);
    }

    /**
     * Time and threads of the test.
     *
     * @return always the same
     */
    public DeterministicRuntime runtime() {
        return runtime;
    }

    @Override
    public void interceptTestMethod(Invocation<Void> invocation, ReflectiveInvocationContext<Method> method,
            ExtensionContext context) {
        try {
            var _ = runtime.run(_ -> proceed(invocation));
        } catch (SimulationFailure e) {
            if (e.getCause() instanceof TestAbortedException aborted) {
                throw aborted;
            }
            throw e;
        }
    }

    private static void proceed(Invocation<Void> invocation) throws Exception {
        try {
            var _ = invocation.proceed();
        } catch (Exception | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
