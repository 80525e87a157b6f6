package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.core.driver.Elevators;
import io.blkmq.testing.NoRescues;
import org.junit.jupiter.api.Test;

@NoRescues
class ElevatorsTest {
    @Test
    void thoseOfTheKernelAreThere() {
        assertThat(Elevators.names()).startsWith("none").contains("mq-deadline", "kyber");
        assertThat(Elevators.named("none")).isNull();
        assertThat(Elevators.named("kyber")).isNotNull();
    }

    @Test
    void anUnknownOneIsRefusedWithThoseThatAreKnown() {
        assertThatIllegalArgumentException().isThrownBy(() -> Elevators.named("cfq"))
                .withMessageContaining("unknown elevator 'cfq'").withMessageContaining("kyber, mq-deadline");
    }

    @Test
    void anotherCanBeRegisteredOnce() {
        ElevatorType type = new ElevatorType() {
            @Override
            public String name() {
                return "of-a-test";
            }

            @Override
            public Elevator create(ElevatorQueue queue) {
                throw new UnsupportedOperationException("not made in this test");
            }
        };
        Elevators.register(type);
        assertThat(Elevators.named("of-a-test")).isEqualTo(type);
        assertThatIllegalArgumentException().isThrownBy(() -> Elevators.register(type))
                .withMessageContaining("elevator of-a-test is known already");
    }
}
