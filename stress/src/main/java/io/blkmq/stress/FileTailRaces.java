package io.blkmq.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE_INTERESTING;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import io.blkmq.aio.life.FileTail;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** Who writes the last block of a file against those who read it. */
public final class FileTailRaces {
    private FileTailRaces() {}

    /** A file of 3 bytes grows to 5, of a block of 8. */
    @JCStressTest
    @Outcome(id = "3", expect = ACCEPTABLE, desc = "read before")
    @Outcome(id = "5", expect = ACCEPTABLE, desc = "read afterwards")
    @Outcome(id = "0", expect = ACCEPTABLE_INTERESTING, desc = "it is to be read again")
    @Outcome(expect = FORBIDDEN, desc = "the whole block was read as if it were the file's")
    @State
    public static class NobodySeesAFileThatIsTooLong {
        private static final int LOOKS = 20;

        private final FileTail tail = new FileTail();
        /** As the system has it: each look is one. */
        private volatile int length = 3;

        /** Writes the block and cuts the file. */
        @Actor
        public void writer() {
            tail.begins(length);
            length = 8;
            length = 5;
            tail.ends();
        }

        /** Reads, which takes a while, and finds as much as there is at some time. */
        @Actor
        public void reader(I_Result result) {
            int since = tail.now();
            int read = 0;
            for (int i = 0; i < LOOKS; i++) {
                read = Math.max(read, length);
            }
            result.r1 = tail.wasSeen(since) ? 0 : read;
        }
    }

    /** A file of 3 bytes grows to 5 and to 7, of a block of 8. */
    @JCStressTest
    @Outcome(id = {"3", "5", "7"}, expect = ACCEPTABLE, desc = "a size that it has had")
    @Outcome(id = "-1", expect = ACCEPTABLE_INTERESTING, desc = "it is to be asked again")
    @Outcome(expect = FORBIDDEN, desc = "the size of the whole block, or one that nobody has written down")
    @State
    public static class WhoAsksForTheSizeGetsOneThatTheFileHasHad {
        private final FileTail tail = new FileTail();
        /** As the system has it: each look is one. */
        private volatile int length = 3;

        /** Writes twice. */
        @Actor
        public void writer() {
            write(5);
            write(7);
        }

        private void write(int end) {
            tail.begins(length);
            length = 8;
            length = end;
            tail.ends();
        }

        /** Asks once. */
        @Actor
        public void asker(I_Result result) {
            int now = tail.now();
            int systems = length;
            long size = FileTail.isTooLong(now) ? tail.sizeBefore() : systems;
            result.r1 = tail.now() == now ? (int) size : -1;
        }
    }
}
