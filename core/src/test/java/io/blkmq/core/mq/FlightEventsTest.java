package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Command;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import jdk.jfr.Configuration;
import jdk.jfr.EventType;
import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the flight recorder is told of the block layer. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FlightEventsTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final Set<String> EVENTS = Set.of("Request", "SubmitWait", "Freeze", "ElevatorSwitch", "Flush",
            "Timeout", "Requeue", "Bounce");

    @TempDir
    Path folder;
    private final ManualRuntime time = new ManualRuntime();
    private final RecordingDriver driver = new RecordingDriver().runtime(time);
    private final Told told = new Told();
    private final Recording recording = new Recording();

    @BeforeEach
    void recordAll() {
        for (String event : EVENTS) {
            recording.enable("io.blkmq." + event).withThreshold(Duration.ZERO);
        }
        recording.start();
    }

    @AfterEach
    void driverWasGivenNothingWrong() {
        recording.close();
        assertThat(driver.violations()).isEmpty();
    }

    /** What has been recorded of one kind. Ends the recording. */
    private List<RecordedEvent> recorded(String event) throws IOException {
        return RecordingFile.readAllEvents(file()).stream()
                .filter(each -> each.getEventType().getName().equals("io.blkmq." + event)).toList();
    }

    private Path file() throws IOException {
        Path file = folder.resolve("test.jfr");
        if (!Files.exists(file)) {
            recording.dump(file);
            recording.stop();
        }
        return file;
    }

    private static void assertIsAbout(RecordedEvent event, String device, Operation operation, long sector,
            long bytes) {
        assertThat(event.getString("device")).isEqualTo(device);
        assertThat(event.getString("operation")).isEqualTo(operation.name());
        assertThat(event.getLong("sector")).isEqualTo(sector);
        assertThat(event.getLong("bytes")).isEqualTo(bytes);
    }

    // ---- a stall is found

    @Test
    void aStalledRequestIsFoundInWhatJfrPrints() throws Exception {
        Injection lost = Injection.seeded(1);
        try (Disk disk = NullBlk.builder().name("nullb7").capacityBytes(1 << 20).runtime(time)
                .completion(NullBlk.Completion.INLINE).injectTimeouts(lost).build();
                IoBuffer buffer = disk.allocate(4096)) {
            for (int sector = 0; sector < 64; sector += 8) {
                lost.set(sector == 40 ? 1 : 0, 1);
                disk.submit(new Bio().reset(Operation.READ, sector).add(buffer.memory()).onEnd(told));
            }
            time.advance(40 * SECOND);
            assertThat(told.ends()).hasSize(8).contains("READ 40 TIMEOUT");
        }
        Path file = file();
        String jfr = Path.of(System.getProperty("java.home"), "bin", "jfr").toString();
        String timeouts = Command.run("", jfr, "print", "--events", "io.blkmq.Timeout", file.toString());
        assertThat(timeouts.lines().filter(line -> line.startsWith("io.blkmq.Timeout"))).hasSize(1);
        assertThat(timeouts.replaceAll("\\s+", " ")).contains("device = \"nullb7\" operation = \"READ\" sector = 40 ")
                .contains("answer = \"DONE\"");
        String requests = Command.run("", jfr, "print", "--events", "io.blkmq.Request", file.toString());
        assertThat(requests.lines().filter(line -> line.startsWith("io.blkmq.Request"))).hasSize(8);
        assertThat(requests.lines().filter(line -> line.contains("status = \"TIMEOUT\""))).hasSize(1);
    }

    // ---- each event

    /** A busy device flushes some thousand times a second, and a recording that runs all the time is to have room for other things. */
    @Test
    void whatHappensWithEachFewRequestsIsRecordedByDefaultOnlyIfItIsSlow() {
        assertThat(FlightRecorder.getFlightRecorder().getEventTypes())
                .filteredOn(type -> Set.of("io.blkmq.Flush", "io.blkmq.SubmitWait").contains(type.getName())).hasSize(2)
                .allSatisfy(type -> assertThat(type.getSettingDescriptors())
                        .anySatisfy(setting -> assertThat(setting.getName() + "=" + setting.getDefaultValue())
                                .isEqualTo("threshold=10 ms")));
    }

    @Test
    void aRequestIsToldWithItsWayAndItsEnd() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.submit(told.write(9));
            int tag = driver.inFlight().getFirst().tag();
            driver.complete(Status.MEDIUM);
            RecordedEvent event = recorded("Request").getFirst();
            assertIsAbout(event, "rec0", Operation.WRITE, 9, 512);
            assertThat(event.getInt("tag")).isEqualTo(tag);
            assertThat(event.getInt("hardwareContext")).isZero();
            assertThat(event.getString("status")).isEqualTo("MEDIUM");
            assertThat(event.getDuration("wait")).isZero();
            assertThat(event.getStackTrace()).isNull();
        }
    }

    @Test
    void theWaitOfARequestIsThatBeforeItsDriverHadIt() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.queue().hardwareContext(0).stop();
            disk.submit(told.read(3));
            time.advance(7_000);
            disk.queue().hardwareContext(0).start();
            time.advance(2_000);
            driver.completeAll();
            assertThat(recorded("Request").getFirst().getDuration("wait")).isEqualTo(Duration.ofNanos(7_000));
        }
    }

    @Test
    void requestsOfAPlugAndOfAnElevatorAreToldOnceEach() throws Exception {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            for (int sector = 0; sector < 64; sector += 8) {
                plug.submit(told.read(sector));
            }
            plug.flush();
            driver.completeAll();
            disk.queue().setElevator("mq-deadline");
            for (int sector = 100; sector < 164; sector += 8) {
                plug.submit(told.write(sector));
            }
            plug.flush();
            disk.submit(told.write(500));
            driver.completeAll();
            List<RecordedEvent> all = recorded("Request");
            assertThat(all).extracting(event -> event.getString("operation") + " " + event.getLong("sector"))
                    .containsExactlyInAnyOrder("READ 0", "READ 8", "READ 16", "READ 24", "READ 32", "READ 40",
                            "READ 48", "READ 56", "WRITE 100", "WRITE 108", "WRITE 116", "WRITE 124", "WRITE 132",
                            "WRITE 140", "WRITE 148", "WRITE 156", "WRITE 500");
        }
    }

    @Test
    void requestsAreTimedForTheRecorderAlsoWhereNothingIsCounted() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.queue().setIostats(false);
            time.advance(5_000);
            disk.queue().hardwareContext(0).stop();
            disk.submit(told.read(3));
            time.advance(7_000);
            disk.queue().hardwareContext(0).start();
            driver.completeAll();
            assertThat(recorded("Request").getFirst().getDuration("wait")).isEqualTo(Duration.ofNanos(7_000));
            assertThat(disk.statistics().ios(io.blkmq.core.IoGroup.READ)).isZero();
        }
    }

    @Test
    void whatARecordingThatEndedHasLeftBehindIsTakenForNoOtherRequest() throws Exception {
        time.advance(1_000);
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(1));
            recording.disable("io.blkmq.Request");
            driver.completeAll();
            time.advance(1_000);
            disk.submit(told.read(2));
            recording.enable("io.blkmq.Request").withThreshold(Duration.ZERO);
            driver.completeAll();
            time.advance(1_000);
            disk.submit(told.read(3));
            driver.completeAll();
            assertThat(recorded("Request")).extracting(event -> event.getLong("sector")).containsExactly(3L);
        }
    }

    @Test
    void aFlushIsToldWithHowManyItServed() throws Exception {
        driver.limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            disk.submit(told.flush());
            disk.submit(told.flush());
            disk.submit(told.flush());
            driver.complete(Status.OK);
            driver.complete(Status.IOERR);
            List<RecordedEvent> flushes = recorded("Flush");
            assertThat(flushes).extracting(event -> event.getInt("served")).containsExactly(1, 2);
            assertThat(flushes).extracting(event -> event.getString("status")).containsExactly("OK", "IOERR");
            assertThat(flushes).extracting(event -> event.getString("device")).containsOnly("rec0");
            List<RecordedEvent> requests = recorded("Request");
            assertThat(requests).as("those who wait are requests; the device's own flush is not").hasSize(3);
            assertIsAbout(requests.getFirst(), "rec0", Operation.FLUSH, -1, 0);
        }
    }

    @Test
    void aRefusalAndARequeueAreToldWithTheirCause() throws Exception {
        try (Disk disk = driver.disk()) {
            driver.answer(Status.RESOURCE);
            disk.submit(told.write(5));
            time.advance(SECOND);
            driver.requeue(driver.inFlight().getFirst(), true);
            driver.completeAll();
            List<RecordedEvent> events = recorded("Requeue");
            assertThat(events).extracting(event -> event.getString("cause")).containsExactly("RESOURCE", "given back");
            assertIsAbout(events.getFirst(), "rec0", Operation.WRITE, 5, 512);
            assertIsAbout(events.getLast(), "rec0", Operation.WRITE, 5, 512);
            assertThat(recorded("Request")).hasSize(1);
        }
    }

    @Test
    @SuppressWarnings("NullAway") // a driver that breaks its contract is what this is about
    void aDriverWithoutAnAnswerToATimeoutHasSaidThatTheTimeBeginsAnew() throws Exception {
        driver.onTimeout(_ -> null);
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(7));
            time.advance(32 * SECOND);
            assertThat(CallbackFailures.latest()).startsWith("timeout of request ").endsWith("returned null");
            assertThat(recorded("Timeout").getFirst().getString("answer")).isEqualTo("RESET_TIMER");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK");
            assertThat(time.timers()).as("the timer goes on").isOne();
        }
    }

    @Test
    void aTimeoutIsToldWithItsAgeAndTheDriversAnswer() throws Exception {
        driver.onTimeout(_ -> TimeoutAction.RESET_TIMER);
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(77));
            time.advance(32 * SECOND);
            RecordedEvent event = recorded("Timeout").getFirst();
            assertIsAbout(event, "rec0", Operation.READ, 77, 512);
            assertThat(event.getDuration("age")).isBetween(Duration.ofSeconds(30), Duration.ofSeconds(32));
            assertThat(event.getString("answer")).isEqualTo("RESET_TIMER");
            driver.completeAll();
        }
    }

    @Test
    void aFreezeIsToldWithWhatItWaitedFor() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(1));
            disk.queue().freezeStart();
            assertThat(disk.queue().freezeWait(0)).isFalse();
            driver.completeAll();
            assertThat(disk.queue().freezeWait(Long.MAX_VALUE)).isTrue();
            disk.queue().unfreeze();
            List<RecordedEvent> events = recorded("Freeze");
            assertThat(events).extracting(event -> event.getBoolean("drained")).containsExactly(false, true);
            assertThat(events).extracting(event -> event.getInt("heldTags")).containsExactly(1, 0);
            assertThat(events).extracting(event -> event.getBoolean("closing")).containsOnly(false);
            assertThat(events).extracting(event -> event.getString("device")).containsOnly("rec0");
            assertThat(events.getFirst().getStackTrace().getFrames()).isNotEmpty();
        }
    }

    @Test
    void anElevatorSwitchIsToldAndSettingTheSameIsNone() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.queue().setElevator("kyber");
            disk.queue().setElevator("kyber");
            disk.queue().setElevator(Elevators.NONE);
            assertThat(recorded("ElevatorSwitch")).extracting(
                    event -> event.getString("device") + " " + event.getString("from") + " " + event.getString("to"))
                    .containsExactly("rec0 none kyber", "rec0 kyber none");
        }
    }

    @Test
    void aThreadThatWaitsForATagOfAFullQueueIsTold() throws Exception {
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(1));
            Eventually.Worker<Boolean> other = Eventually.start(() -> disk.submit(told.write(8)));
            Eventually.waitsIn(other.thread(), TagShare.class);
            driver.completeAll();
            other.join();
            driver.completeAll();
            RecordedEvent event = recorded("SubmitWait").getFirst();
            assertIsAbout(event, "rec0", Operation.WRITE, 8, 512);
            assertThat(event.getString("cause")).isEqualTo("queue full");
            assertThat(event.getBoolean("threadWaits")).isTrue();
            assertThat(event.getBoolean("entered")).isTrue();
        }
    }

    @Test
    void anIoThatACompletionSubmitsToAFullQueueIsToldWhenItGoesOn() throws Exception {
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(1).onEnd(_ -> {
                disk.submit(told.read(2));
                disk.submit(told.read(3));
            }));
            driver.completeAll();
            List<RecordedEvent> events = recorded("SubmitWait");
            assertThat(events).hasSize(1);
            assertIsAbout(events.getFirst(), "rec0", Operation.READ, 3, 512);
            assertThat(events.getFirst().getBoolean("threadWaits")).isFalse();
        }
    }

    @Test
    void anIoThatAFrozenQueueLetsNotInIsTold() throws Exception {
        try (Disk disk = driver.disk()) {
            disk.queue().freeze();
            Eventually.Worker<Boolean> other = Eventually.start(() -> disk.submit(told.read(8)));
            Eventually.waitsIn(other.thread(), QueueGate.class);
            disk.queue().unfreeze();
            other.join();
            driver.completeAll();
            RecordedEvent event = recorded("SubmitWait").getFirst();
            assertThat(event.getString("cause")).isEqualTo("frozen");
            assertIsAbout(event, "rec0", Operation.READ, 8, 512);
        }
    }

    @Test
    void aBounceIsToldWithItsCause() throws Exception {
        driver.limits(limits -> limits.dmaAlignmentBytes(512));
        try (Disk disk = driver.disk(); IoBuffer buffer = IoBuffer.allocate(4096)) {
            disk.submit(new Bio().reset(Operation.READ, 4).add(MemorySegment.ofArray(new byte[512])).onEnd(told));
            disk.submit(new Bio().reset(Operation.READ, 6).add(buffer.memory().asSlice(8, 512)).onEnd(told));
            disk.submit(new Bio().reset(Operation.READ, 8).add(buffer.memory().asSlice(1024, 512)).onEnd(told));
            driver.completeAll();
            List<RecordedEvent> events = recorded("Bounce");
            assertThat(events).hasSize(2);
            assertIsAbout(events.getFirst(), "rec0", Operation.READ, 4, 512);
            assertThat(events.getFirst().getString("cause")).isIn("memory", "alignment");
            assertIsAbout(events.getLast(), "rec0", Operation.READ, 6, 512);
            assertThat(events.getLast().getString("cause")).isEqualTo("alignment");
        }
    }

    // ---- how they are described

    @Test
    void everyEventHasLabelsACategoryAndNothingThatIsOnByDefaultForEachRequest() throws Exception {
        try (Disk disk = driver.completesAtOnce().disk()) {
            disk.submit(told.read(1));
        }
        List<EventType> ours = FlightRecorder.getFlightRecorder().getEventTypes().stream()
                .filter(type -> type.getName().startsWith("io.blkmq.")
                        && EVENTS.contains(type.getName().substring("io.blkmq.".length())))
                .toList();
        assertThat(ours).hasSize(EVENTS.size());
        for (EventType type : ours) {
            assertThat(type.getLabel()).as(type.getName()).isNotBlank();
            assertThat(type.getDescription()).as(type.getName()).isNotBlank();
            assertThat(type.getCategoryNames()).as(type.getName()).containsExactly("blkmq");
            assertThat(type.getField("device")).as(type.getName()).isNotNull();
            assertThat(type.getFields()).as(type.getName()).allSatisfy(
                    field -> assertThat(field.getLabel()).as("%s of %s", field.getName(), type.getName()).isNotBlank());
            assertThat(type.getSettingDescriptors()).as(type.getName())
                    .filteredOn(setting -> setting.getName().equals("enabled"))
                    .extracting(setting -> setting.getDefaultValue())
                    .containsExactly(type.getName().equals("io.blkmq.Request") ? "false" : "true");
        }
    }

    @Test
    void theSettingsFileNamesEveryEvent() throws Exception {
        try (Reader in = new InputStreamReader(
                Objects.requireNonNull(Disk.class.getResourceAsStream("/META-INF/blkmq.jfc")),
                StandardCharsets.UTF_8)) {
            Configuration settings = Configuration.create(in);
            assertThat(settings.getLabel()).isEqualTo("blkmq");
            Set<String> named = settings.getSettings().keySet().stream().map(key -> key.substring(0, key.indexOf('#')))
                    .collect(Collectors.toCollection(TreeSet::new));
            assertThat(named).containsAll(EVENTS.stream().map(each -> "io.blkmq." + each).toList());
            assertThat(DocPage.read("docs/guide/observe.md").rows("## Events for the flight recorder"))
                    .extracting(row -> row.getFirst().replace("`", "")).containsExactlyInAnyOrderElementsOf(named);
            assertThat(settings.getSettings()).containsEntry("io.blkmq.Request#enabled", "true")
                    .containsEntry("io.blkmq.Request#threshold", "10 ms");
        }
    }
}
