package io.blkmq.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Random programs, and how those that fail are made shorter. */
@Isolated // sets a system property
class RandomProgramsTest {
    private static List<Integer> twentyDigits(RandomGenerator random) {
        return random.ints(20, 0, 10).boxed().toList();
    }

    private static RandomPrograms<Integer> digits(RandomPrograms.Program<Integer> program) {
        return new RandomPrograms<>("replay this", RandomSeed.next(RandomProgramsTest.class),
                RandomProgramsTest::twentyDigits, program);
    }

    private static AssertionError failureOf(RandomPrograms<Integer> programs) {
        return Objects.requireNonNull(catchThrowableOfType(AssertionError.class, programs::check));
    }

    /** Fails in one way if a 3 stands somewhere before a 7, in another if there is a 3. */
    private static void threeBeforeSeven(DeterministicRuntime runtime, List<Integer> digits) {
        int three = digits.indexOf(3);
        runtime.switchPoint();
        if (three >= 0) {
            if (digits.lastIndexOf(7) > three) {
                throw new IllegalStateException("3 before 7");
            }
            throw new IllegalArgumentException("3");
        }
    }

    @Test
    void everyProgramIsAnotherAndAllAreRun() {
        List<List<Integer>> ran = new ArrayList<>();
        RandomPrograms.Tally tally = digits((runtime, digits) -> {
            runtime.switchPoint();
            ran.add(digits);
        }).programs(30).check();
        assertThat(tally.programs()).isEqualTo(ran.size());
        assertThat(tally.steps()).isEqualTo(ran.size());
        assertThat(ran.stream().distinct()).hasSameSizeAs(ran);
    }

    @Test
    void aFailingProgramIsMadeShorterWhileItFailsInTheSameWay() {
        AssertionError failure = failureOf(digits((runtime, digits) -> {
            if (digits.size() == 20 && !(digits.indexOf(3) >= 0 && digits.lastIndexOf(7) > digits.indexOf(3))) {
                return;
            }
            threeBeforeSeven(runtime, digits);
        }).programs(10_000));
        assertThat(failure).hasMessageContaining("a program of 2 operations fails (20 before")
                .hasMessageContaining("\n  3\n  7\n").hasMessageContaining("IllegalStateException")
                .hasMessageContaining("replay with: replay this -Dblkmq.seed=");
    }

    @Test
    void aFailureThatOnlySomeInterleavingsShowIsMadeShorterToo() {
        AssertionError failure = failureOf(digits((runtime, digits) -> {
            int[] sum = new int[1];
            List<Thread> adders = new ArrayList<>();
            for (int digit : digits) {
                adders.add(runtime.spawn("adder", () -> {
                    int before = sum[0];
                    runtime.switchPoint();
                    sum[0] = before + digit;
                }));
            }
            adders.forEach(runtime::join);
            assertThat(sum[0]).isEqualTo(digits.stream().mapToInt(Integer::intValue).sum());
        }).programs(10_000));
        String message = Objects.requireNonNull(failure.getMessage());
        assertThat(Integer.parseInt(message.replaceAll("(?s)a program of (\\d+) operations.*", "$1"))).isBetween(2, 19);
    }

    /** The same program is another one of another run. */
    private static String withoutNumber(String message) {
        return message.replaceFirst("; number \\d+ of this run", "");
    }

    /** As by the time limit of a test: it says nothing of the program that was running, and a shorter one would be blamed for it. */
    @Test
    void anInterruptIsNoFailureOfAProgramAndStays() {
        Thread waiting = Thread.currentThread();
        RandomPrograms<Integer> programs = digits((runtime, _) -> {
            waiting.interrupt();
            while (true) {
                runtime.sleep(1);
            }
        }).programs(10);
        try {
            assertThatThrownBy(programs::check).isInstanceOfSatisfying(SimulationFailure.class,
                    failure -> assertThat(failure.kind()).isEqualTo(SimulationFailure.Kind.INTERRUPTED));
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void theSeedOfAFailureReplaysIt() {
        RandomPrograms<Integer> programs = digits(RandomProgramsTest::threeBeforeSeven).programs(10_000);
        AssertionError failure = failureOf(programs);
        String message = Objects.requireNonNull(failure.getMessage());
        String seed = message.replaceAll("(?s).*-Dblkmq.seed=(-?\\d+).*", "$1");
        String before = System.getProperty(RandomPrograms.SEED);
        System.setProperty(RandomPrograms.SEED, seed);
        try {
            assertThat(withoutNumber(Objects.requireNonNull(failureOf(programs).getMessage())))
                    .isEqualTo(withoutNumber(message));
        } finally {
            if (before == null) {
                System.clearProperty(RandomPrograms.SEED);
            } else {
                System.setProperty(RandomPrograms.SEED, before);
            }
        }
    }

    /** Its thread may keep a carrier of virtual threads for ever: with shorter programs soon none would be left. */
    @Test
    void aProgramThatHangsIsNotMadeShorter() {
        CountDownLatch latch = new CountDownLatch(1);
        AtomicInteger ran = new AtomicInteger();
        AssertionError failure = failureOf(digits((runtime, digits) -> {
            ran.incrementAndGet();
            runtime.switchPoint();
            latch.await();
        }).options(SimulationOptions.DEFAULT.withHangNanos(TimeUnit.MILLISECONDS.toNanos(50))));
        latch.countDown();
        assertThat(failure).hasMessageContaining("a program of 20 operations fails (20 before 0 tries");
        assertThat(ran).hasValue(1);
    }

    @ParameterizedTest
    @CsvSource({"blkmq.seed, 42l, -Dblkmq.seed=42l is no number",
            "blkmq.programs, many, -Dblkmq.programs=many is no number",
            "blkmq.programs, 0, '-Dblkmq.programs is 0, and not 1 to 2147483647'",
            "blkmq.programs, -5, '-Dblkmq.programs is -5, and not 1 to 2147483647'"})
    void aPropertyThatIsNoNumberOrAsksForNothingIsRefused(String name, String value, String message) {
        RandomPrograms<Integer> programs = digits((runtime, digits) -> runtime.switchPoint());
        String before = System.setProperty(name, value);
        try {
            assertThatThrownBy(programs::check).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
        } finally {
            if (before == null) {
                System.clearProperty(name);
            } else {
                System.setProperty(name, before);
            }
        }
    }

    @Test
    void noProgramsAreRefused() {
        RandomPrograms<Integer> programs = digits((runtime, digits) -> runtime.switchPoint());
        assertThatThrownBy(() -> programs.programs(0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("programs is 0, and not 1 to 2147483647");
    }
}
