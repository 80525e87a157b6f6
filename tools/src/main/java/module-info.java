import org.jspecify.annotations.NullMarked;

/** The {@code blkmq} command. */
@SuppressWarnings("requires-automatic") // HdrHistogram has no descriptor, only a name
@NullMarked module io.blkmq.tools {
    requires static org.jspecify;
    requires io.blkmq.core;
    requires io.blkmq.aio;
    requires io.blkmq.loop;
    requires io.blkmq.nbd;
    requires io.blkmq.rbd;
    requires io.blkmq.testkit;
    requires info.picocli;
    requires HdrHistogram;
    requires com.google.gson;
    requires java.management;

    opens io.blkmq.tools to info.picocli;
}
