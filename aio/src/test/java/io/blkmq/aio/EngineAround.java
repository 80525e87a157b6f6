package io.blkmq.aio;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.Consumer;

/** An engine in front of another, for moments between two operations of one call. */
final class EngineAround {

    private EngineAround() {}

    /** An engine whose {@link AioEngine#run} tells each operation when it has ended, on the thread that waited for it. */
    static AioEngine tellingEnds(AioEngine real, Consumer<AioOperation> ended) {
        return (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(), new Class<?>[]{AioEngine.class},
                (_, method, arguments) -> {
                    AioOperation operation = method.getName().equals("run")
                            ? ((Kiocb) arguments[0]).operation()
                            : null;
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
}
