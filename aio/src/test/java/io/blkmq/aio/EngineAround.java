package io.blkmq.aio;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** An engine in front of another, for moments between two operations of one call. */
final class EngineAround {

    private EngineAround() {}

    /** An engine whose {@link AioEngine#run} tells each operation when it has ended, on the thread that waited for it. */
    static AioEngine tellingEnds(AioEngine real, Consumer<AioOperation> ended) {
        return (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(), new Class<?>[]{AioEngine.class},
                (_, method, arguments) -> {
                    AioOperation operation = method.getName().equals("run") ? ((Kiocb) arguments[0]).operation() : null;
                    try {
                        Object result = method.invoke(real, arguments);
                        if (operation != null) {
                            ended.accept(operation);
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    /** An engine that refuses each operation so often for want of room, and tells each time that it is asked, on the thread that asks. */
    static AioEngine withoutRoom(AioEngine real, int times, Runnable asked) {
        Map<Kiocb, Integer> refused = Collections.synchronizedMap(new IdentityHashMap<>());
        return (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(), new Class<?>[]{AioEngine.class},
                (_, method, arguments) -> {
                    boolean isRun = method.getName().equals("run");
                    if (isRun || method.getName().equals("submit")) {
                        asked.run();
                        if (refused.merge((Kiocb) arguments[0], 1, Integer::sum) <= times) {
                            if (isRun) {
                                return (long) -Errno.EAGAIN;
                            }
                            return -Errno.EAGAIN;
                        }
                        refused.remove(arguments[0]);
                    }
                    try {
                        return method.invoke(real, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
