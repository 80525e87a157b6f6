package io.blkmq.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class IdlingRuntimeTest {
    private final List<String> called = new ArrayList<>();

    /** Notes the names of what is called. */
    private final IoRuntime base = (IoRuntime) Proxy.newProxyInstance(IoRuntime.class.getClassLoader(),
            new Class<?>[]{IoRuntime.class}, (_, method, _) -> {
                called.add(method.getName());
                return valueOf(method.getReturnType());
            });

    private static @Nullable Object valueOf(Class<?> type) {
        if (type == boolean.class) {
            return true;
        }
        if (type == int.class) {
            return 7;
        }
        return type == long.class ? (Object) 7L : null;
    }

    private IoRuntime idlingBy(IoRuntime.PollIdle way) {
        return new IdlingRuntime(base, () -> way);
    }

    /** A method that is added to the interface, and has a default there, is not forgotten. */
    @TestFactory
    Stream<DynamicTest> allElseIsTheOther() {
        return Stream.of(IoRuntime.class.getMethods()).filter(method -> !Modifier.isStatic(method.getModifiers()))
                .filter(method -> !method.getName().startsWith("idl"))
                .map(method -> DynamicTest.dynamicTest(method.getName(), () -> isTheOther(method)));
    }

    private void isTheOther(Method method) throws ReflectiveOperationException {
        called.clear();
        Object[] none = Stream.of(method.getParameterTypes()).map(IdlingRuntimeTest::valueOf).toArray();
        assertThat(method.invoke(idlingBy(_ -> {}), none)).isEqualTo(valueOf(method.getReturnType()));
        assertThat(called).containsExactly(method.getName());
    }

    @Test
    void eachThreadHasAWayOfItsOwnAndIsToldEachLook() {
        List<String> idled = new ArrayList<>();
        AtomicInteger made = new AtomicInteger();
        IoRuntime idling = IoRuntime.system().idlingBy(() -> {
            int number = made.incrementAndGet();
            return found -> idled.add(number + ":" + found);
        });
        idling.idle(0);
        idling.idle(3);
        idling.join(idling.startAgent("other", () -> idling.idle(0)));
        idling.idle(0);
        assertThat(idled).containsExactly("1:0", "1:3", "2:0", "1:0");
    }

    @Test
    void aWayThatFailsIsUsedNoMore() {
        AtomicInteger times = new AtomicInteger();
        IoRuntime idling = idlingBy(_ -> {
            times.incrementAndGet();
            throw new AssertionError("as planned");
        });
        idling.idle(0);
        idling.idle(0);
        assertThat(times).hasValue(1);
        assertThat(called).as("then that of the other runtime").containsExactly("idle");
    }

    @Test
    @SuppressWarnings("NullAway") // a program without its checks may do so
    void noWayIsThatOfTheOtherRuntime() {
        IoRuntime none = new IdlingRuntime(base, () -> null);
        none.idle(0);
        IoRuntime failing = new IdlingRuntime(base, () -> {
            throw new IllegalStateException("as planned");
        });
        failing.idle(2);
        assertThat(called).containsExactly("idle", "idle");
        assertThatThrownBy(() -> IoRuntime.system().idlingBy(null)).isInstanceOf(NullPointerException.class)
                .hasMessage("perThread");
    }

    @Test
    void whatTheOtherThrowsItselfEndsTheThread() {
        Error ended = new Error("the simulation is over");
        IoRuntime ending = (IoRuntime) Proxy.newProxyInstance(IoRuntime.class.getClassLoader(),
                new Class<?>[]{IoRuntime.class}, (_, _, _) -> {
                    throw ended;
                });
        AtomicInteger times = new AtomicInteger();
        IoRuntime idling = new IdlingRuntime(ending, () -> found -> {
            times.incrementAndGet();
            ending.idle(found);
        });
        // By the way of the thread: it may have failed itself.
        idling.idle(0);
        assertThatThrownBy(() -> idling.idle(0)).isSameAs(ended);
        assertThatThrownBy(() -> idling.idle(0)).isSameAs(ended);
        assertThat(times).hasValue(1);
    }
}
