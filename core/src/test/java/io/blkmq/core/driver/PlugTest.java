package io.blkmq.core.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Eventually;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PlugTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    @Test
    void requestsAreHeldBackUntilTheFlush() {
        try (Disk disk = driver.disk()) {
            Plug plug = disk.plug();
            plug.submit(told.read(5));
            plug.submit(told.read(1));
            assertThat(driver.log()).isEmpty();
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 5 more", "READ 1");
            plug.flush();
            assertThat(driver.log()).isEmpty();
            driver.completeAll();
        }
    }

    @Test
    void closingAPlugFlushesIt() {
        try (Disk disk = driver.disk()) {
            try (Plug plug = disk.plug()) {
                plug.submit(told.read(0));
            }
            assertThat(driver.log()).containsExactly("READ 0");
            driver.completeAll();
        }
    }

    @Test
    void thirtyTwoRequestsGoDownByThemselves() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            for (int i = 0; i < 31; i++) {
                plug.submit(told.read(i));
            }
            assertThat(driver.log()).isEmpty();
            plug.submit(told.read(31));
            List<String> log = driver.log();
            assertThat(log).hasSize(32);
            assertThat(log.getFirst()).isEqualTo("READ 0 more");
            assertThat(log.getLast()).isEqualTo("READ 31");
            driver.completeAll();
        }
    }

    @Test
    void aPlugGoesDownBeforeItsThreadWaitsForATag() {
        try (Disk disk = driver.depth(4).polled().disk(); Plug plug = disk.plug()) {
            for (int i = 0; i < 6; i++) {
                plug.submit(told.read(i));
            }
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2 more", "READ 3");
            plug.flush();
            disk.poll();
            assertThat(told.ends()).hasSize(6);
        }
    }

    @Test
    void tagsThatWereTakenInAdvanceAndNotUsedAreGivenBack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug().expecting(20)) {
            plug.submit(told.read(0));
            assertThat(disk.queue().heldTags()).isGreaterThan(1);
            plug.flush();
            assertThat(disk.queue().heldTags()).isOne();
            driver.completeAll();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void expectingTooFewOrTooManyDoesNoHarm() {
        for (int expected : new int[]{-3, 0, 1, 5, 1000}) {
            try (Disk disk = driver.disk()) {
                try (Plug plug = disk.plug().expecting(expected)) {
                    for (int i = 0; i < 40; i++) {
                        plug.submit(told.read(i));
                    }
                }
                assertThat(driver.completeAll()).isEqualTo(40);
                assertThat(disk.queue().heldTags()).isZero();
            }
        }
        assertThat(driver.violations()).isEmpty();
    }

    @Test
    void aRefusedBioDoesNotDisturbThoseHeldBack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            plug.submit(told.read(0));
            org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                    .isThrownBy(() -> plug.submit(new Bio().reset(io.blkmq.core.Operation.READ, 1)));
            plug.submit(told.read(2));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 2");
            driver.completeAll();
        }
    }

    @Test
    void aCompletionThatUsesAPlugNeverWaitsForATag() {
        try (Disk disk = driver.depth(1).disk()) {
            List<String> order = new ArrayList<>();
            Bio first = told.read(0).onEnd(_ -> {
                try (Plug plug = disk.plug()) {
                    plug.submit(told.read(1));
                    plug.submit(told.read(2));
                }
                order.add("completion returned");
            });
            disk.submit(first);
            Eventually.start(() -> driver.complete(Status.OK)).join();
            assertThat(order).containsExactly("completion returned");
            driver.completeAll();
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(1), Told.ok(2));
        }
    }

    @Test
    void threadsThatShareAContextNeverGetTheSameTag() {
        // Four words of two tags: the context's hint goes from word to word all the time.
        Disk disk = driver.depth(8).completesAtOnce().disk();
        Eventually.together(3, false, _ -> {
            Plug plug = disk.plug(0);
            Told mine = new Told();
            for (int i = 0; i < 100_000; i++) {
                plug.expecting(2);
                plug.submit(mine.read(0));
                plug.submit(mine.read(1));
                plug.flush();
                assertThat(mine.ends()).hasSize(2);
            }
        });
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().strayCompletions()).isZero();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }
}
