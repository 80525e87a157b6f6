package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import java.io.IOException;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/** Another number of hardware contexts against those who take tags. */
public final class UpdateRaces {
    private UpdateRaces() {}

    /** A submitter goes through a context that the queue has, and nobody waits for ever. */
    @JCStressTest
    @Outcome(id = "1, 1, 0", expect = ACCEPTABLE, desc = "changed, and the request went through a context that there was")
    @Outcome(expect = FORBIDDEN, desc = "one sleeps for ever, or the request went through a context that was gone")
    @State
    public static class ASubmitterGoesThroughAContextThatThereIs {
        private final RaceQueue device = new RaceQueue();

        /** Two contexts, so that one can go. */
        public ASubmitterGoesThroughAContextThatThereIs() {
            change(2);
        }

        private boolean change(int count) {
            try {
                device.set.updateHardwareQueues(count);
                return true;
            } catch (RaceRuntime.AsleepForEver e) {
                return false;
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        /** Notes whether the change came to an end. */
        @Actor
        public void changer(III_Result r) {
            device.runtime.begins(0);
            r.r1 = change(1) ? 1 : 0;
            device.runtime.ends(0);
        }

        /** Notes whether the context is one of the queue's while it has a request. */
        @Actor
        public void submitter(III_Result r) {
            device.runtime.begins(1);
            Request rq = device.awaitAllocate();
            if (rq != null) {
                HardwareContext hctx = rq.hardwareContext();
                r.r2 = hctx.index() < device.queue.hardwareContexts()
                        && hctx.equals(device.queue.hardwareContext(hctx.index())) ? 1 : 0;
                device.queue.free(rq);
            }
            device.runtime.ends(1);
        }

        /** Notes how many tags are held. */
        @Arbiter
        public void after(III_Result r) {
            r.r3 = device.queue.heldTags();
        }
    }
}
