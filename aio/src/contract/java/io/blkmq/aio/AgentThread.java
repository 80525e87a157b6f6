package io.blkmq.aio;

import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.AgentTerminationException;
import org.agrona.concurrent.BackoffIdleStrategy;

/** Runs the agent of an engine on a thread of its own, with the means of Agrona, until the engine has been closed. */
final class AgentThread {

    private AgentThread() {}

    /** Starts the thread, and returns it when it runs the agent. */
    static Thread run(AioEngine engine) {
        Agent agent = engine.agent();
        Agent untilClosed = new Agent() {
            @Override
            public int doWork() {
                if (((OpenedEngine) engine).end.hasBegun()) {
                    throw new AgentTerminationException();
                }
                try {
                    return agent.doWork();
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            }

            @Override
            public String roleName() {
                return agent.roleName();
            }

            @Override
            public void onClose() {
                agent.onClose();
            }
        };
        AgentRunner runner = new AgentRunner(new BackoffIdleStrategy(10, 10, 1000, TimeUnit.MICROSECONDS.toNanos(100)),
                failure -> {
                    if (!(failure instanceof AgentTerminationException)) {
                        throw new AssertionError(failure);
                    }
                }, null, untilClosed);
        Thread thread = AgentRunner.startOnThread(runner,
                body -> Thread.ofPlatform().daemon().name("agent").unstarted(body));
        while (EngineAgent.runner(agent) == null) {
            Thread.onSpinWait();
        }
        return thread;
    }
}
