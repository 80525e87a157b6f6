package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/** Tests of the cases that they apply to. */
class EachCaseTest {
    private static final List<String> RAN = new ArrayList<>();

    /** A item. */
    record Item(int value) {
        boolean isEven() {
            return value % 2 == 0;
        }

        boolean isSmall() {
            return value < 3;
        }
    }

    /** Tests of numbers. */
    static final class Sample {
        private final Item item;

        Sample(Item item) {
            this.item = item;
        }

        static List<Item> cases() {
            return List.of(new Item(1), new Item(2), new Item(3), new Item(4));
        }

        @EachCase
        void all() {
            RAN.add("all " + item.value());
        }

        @EachCase({"isEven", "!isSmall"})
        void some() {
            RAN.add("some " + item.value());
        }

        @EachCase("isPrime")
        void ofAConditionThatThereIsNot() {
            RAN.add("none");
        }
    }

    @Test
    void aCaseThatATestDoesNotApplyToIsNoTest() {
        RAN.clear();
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create().execute(LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(Sample.class)).build(), listener);
        assertThat(RAN).containsExactlyInAnyOrder("all 1", "all 2", "all 3", "all 4", "some 4");
        assertThat(listener.getSummary().getTestsSucceededCount()).isEqualTo(5);
        assertThat(listener.getSummary().getTestsSkippedCount()).isZero();
        assertThat(listener.getSummary().getFailures()).singleElement().satisfies(
                failure -> assertThat(failure.getException()).hasMessageContaining("has no method isPrime()"));
    }
}
