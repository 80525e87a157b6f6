package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.tools.device.ImageRequest;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.report.Comparison;
import io.blkmq.tools.report.HtmlReport;
import io.blkmq.tools.report.JsonReport;
import io.blkmq.tools.report.JsonText;
import io.blkmq.tools.report.TextReport;
import io.blkmq.tools.run.RunControl;
import io.blkmq.tools.run.RunListener;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class ComparerTest {
    @TempDir
    private Path directory;

    @Test
    void aComparisonThatIsStoppedBeforeTheFirstWayHasReportsThatSaySo() throws Exception {
        RunControl control = new RunControl();
        control.stop();
        Comparer comparer = new Comparer(
                JobFile.parse("test.fio", "[a]\nfilename=d\nsize=1m\nruntime=1h\ntime_based\n"), 3,
                new ImageRequest(directory, 0, 0), true, control, RunListener.SILENT);
        Comparison comparison = comparer.onNewImage(1 << 20);
        assertThat(comparison.ways()).isEmpty();
        assertThat(comparison.slices()).isZero();
        assertThat(comparison.hasErrors()).isFalse();
        StringWriter text = new StringWriter();
        new TextReport(new PrintWriter(text, true)).comparison(comparison);
        assertThat(text.toString()).contains("stopped before anything ran on a written file of 1048576 bytes");
        Object json = JsonText.parse(JsonReport.of("1", comparison, 0, false));
        assertThat(JsonText.list(json, "jobs")).isEmpty();
        assertThat(HtmlReport.of("1", comparison, 0)).contains("\"stopped\":true");
        assertThat(directory).isEmptyDirectory();
    }
}
