package example.h2.own;

import example.h2.DiskVolume;
import example.h2.FilePathAio;
import example.h2.FilePathVolume;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.h2.mvstore.cache.FilePathCache;
import org.h2.store.fs.FilePath;
import org.h2.store.fs.FilePathWrapper;
import org.h2.store.fs.FileUtils;
import org.h2.store.fs.encrypt.FilePathEncrypt;
import org.h2.store.fs.rec.FilePathRec;
import org.h2.test.TestAll;
import org.h2.test.TestBase;

/**
 * Runs one test of H2's, in a process of its own and in its current folder: {@code PREFIX TEST SECONDS RESULT [CALL ...]}. Writes the result to a file: a
 * word, how many files were opened by the prefix, and where the test has failed.
 */
public final class OwnTest {
    private static final Path RUN = Path.of("").toAbsolutePath();
    private static final AtomicLong OPENED = new AtomicLong();

    /** Counts what is opened by a prefix, and leaves all the rest to the provider that had it. */
    public static final class Counted extends FilePathWrapper {
        private static FilePath provider;

        private static void count(FilePath counted) {
            provider = counted;
            FilePath.register(new Counted());
        }

        @Override
        public String getScheme() {
            return provider.getScheme();
        }

        /** The names of the provider's paths have it already. */
        @Override
        protected String getPrefix() {
            return "";
        }

        @Override
        protected FilePath unwrap(String path) {
            return provider.getPath(path);
        }

        @Override
        public FileChannel open(String mode) throws IOException {
            OPENED.incrementAndGet();
            return super.open(mode);
        }

        /** By a volume of our own, and not by the system. */
        @Override
        public boolean createFile() {
            OPENED.addAndGet(provider instanceof FilePathVolume ? 1 : 0);
            return super.createFile();
        }
    }

    private OwnTest() {}

    public static void main(String[] args) throws Exception {
        String prefix = args[0];
        String test = args[1];
        Path result = Path.of(args[3]);
        haltAfter(Integer.parseInt(args[2]), result);
        // As H2's own TestAll has them.
        Map.of("h2.maxMemoryRows", "100", "h2.delayWrongPasswordMin", "0", "h2.delayWrongPasswordMax", "0", "h2.useThreadContextClassLoader", "true")
                .forEach(System::setProperty);
        String word;
        String place = "-";
        try {
            word = run(test, baseOf(prefix), List.of(args).subList(4, args.length)) ? "passed" : "off";
        } catch (Throwable t) {
            Throwable cause = t instanceof InvocationTargetException ? t.getCause() : t;
            cause.printStackTrace();
            word = "failed";
            place = placeOf(cause);
        }
        end(word, place, result);
    }

    /** {@return where a test of H2's has failed} */
    private static String placeOf(Throwable failure) {
        for (StackTraceElement element : failure.getStackTrace()) {
            if (element.getClassName().startsWith("org.h2.test.") && !element.getClassName().equals(TestBase.class.getName())) {
                return element.getFileName() + ":" + element.getLineNumber();
            }
        }
        return failure.getClass().getName();
    }

    /** Ends the process, whichever threads a test has left behind. */
    private static void end(String word, String place, Path result) throws IOException {
        Files.writeString(result, word + " " + OPENED + " " + place + "\n");
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void haltAfter(int seconds, Path result) {
        Thread.ofPlatform().daemon().start(() -> {
            try {
                Thread.sleep(seconds * 1000L);
                Thread.getAllStackTraces().forEach((thread, stack) -> {
                    System.err.println(thread);
                    for (StackTraceElement element : stack) {
                        System.err.println("    " + element);
                    }
                });
                end("slow", "-", result);
            } catch (InterruptedException | IOException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    /** {@return the folder of the test's files, by a prefix that H2 knows afterwards} */
    private static String baseOf(String prefix) throws IOException {
        switch (prefix) {
            case "aio" -> Counted.count(new FilePathAio());
            case "direct" -> Counted.count(new FilePathAio.Direct());
            case "disk" -> {
                LoopDevice device = LoopDevice.attach(LoopConfig.builder(RUN.resolve("disk.img")).blockBytes(4096).createBytes(4L << 30).build());
                FilePathVolume.mount("db", DiskVolume.open(device.disk()));
                Counted.count(new FilePathVolume());
                return "disk:db/test";
            }
            case "file" -> {
                return TestBase.getTestDir("");
            }
            default -> throw new IllegalArgumentException("the prefixes are file, aio, direct and disk, and not " + prefix);
        }
        return prefix + ":" + TestBase.getTestDir("");
    }

    /**
     * Runs a class, or the calls of its methods, or a method that takes a path: after {@code #}, with a prefix of H2's for before ours after {@code =}.
     *
     * @return whether it may run
     */
    private static boolean run(String name, String base, List<String> calls) throws Exception {
        String[] parts = name.split("[#=]");
        TestBase test = (TestBase) Class.forName("org.h2.test." + parts[0]).getDeclaredConstructor().newInstance();
        TestAll config = new TestAll();
        // Not 50 ms, which threads of a busy machine wait for each other without being locked out.
        config.lockTimeout = 1000;
        config.big = calls.equals(List.of("big"));
        test.init(config);
        setBase(base);
        config.beforeTest();
        FileUtils.createDirectories(base);
        if (!test.isEnabled()) {
            return false;
        }
        if (config.big) {
            test.test();
        } else if (!calls.isEmpty()) {
            for (String call : calls) {
                call(test, call);
            }
        } else if (parts.length > 1) {
            FilePathRec.register();
            FilePathEncrypt.register();
            FilePath.register(new FilePathCache());
            invoke(test, parts[1], String.class, (parts.length > 2 ? parts[2] : "") + base + "/fs");
        } else {
            test.test();
        }
        return true;
    }

    /** For example testLob(true). */
    private static void call(TestBase test, String call) throws ReflectiveOperationException {
        String method = call.replaceFirst("\\(.*", "");
        String argument = call.substring(method.length()).replaceAll("[()]", "");
        if (argument.isEmpty()) {
            invoke(test, method, null, null);
        } else if (argument.matches("true|false")) {
            invoke(test, method, boolean.class, Boolean.valueOf(argument));
        } else {
            invoke(test, method, int.class, Integer.valueOf(argument));
        }
    }

    private static void invoke(TestBase test, String name, Class<?> type, Object argument) throws ReflectiveOperationException {
        Method method = type == null ? test.getClass().getDeclaredMethod(name) : test.getClass().getDeclaredMethod(name, type);
        method.setAccessible(true);
        if (type == null) {
            method.invoke(test);
        } else {
            method.invoke(test, argument);
        }
    }

    /** A test asks {@link TestBase#getBaseDir} for it. */
    private static void setBase(String base) throws ReflectiveOperationException {
        Field field = TestBase.class.getDeclaredField("baseDir");
        field.setAccessible(true);
        field.set(null, base);
    }
}
