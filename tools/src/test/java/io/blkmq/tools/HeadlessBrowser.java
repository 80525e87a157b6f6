package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Command;
import io.blkmq.tools.report.JsonText;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Chromium without a screen: loads a page, and tells what became of it. */
final class HeadlessBrowser {
    private static final String NAME = "chromium-headless-shell";
    private static final List<String> NAMES = List.of(NAME, "chromium", "google-chrome");
    private static final Pattern SEEN = Pattern.compile("<template id=\"seen\">(.*?)</template>", Pattern.DOTALL);

    /** Put behind the page's own scripts: looks at what they made, and leaves it in the document. */
    private static final String LOOK = """
        <script>
        addEventListener('load', () => setTimeout(() => {
            const colored = canvas => {
                const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                let number = 0;
                for (let i = 0; i < pixels.length; i += 4) {
                    const [red, green, blue, opaque] = pixels.slice(i, i + 4);
                    number += opaque > 0 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60 ? 1 : 0;
                }
                return number;
            };
            const all = selector => [...document.querySelectorAll(selector)];
            const seen = document.createElement('template');
            seen.id = 'seen';
            seen.content.append(btoa(unescape(encodeURIComponent(JSON.stringify({
                canvases: all('canvas').map(colored),
                fetched: performance.getEntriesByType('resource').map(entry => entry.name),
                background: getComputedStyle(document.body).backgroundColor,
                headings: all('h1, h2').map(heading => heading.textContent),
                tables: all('table.figures > caption').filter(caption => caption.textContent).length,
                unnamed: all('figure').filter(figure => !document.getElementById(figure.getAttribute('aria-labelledby'))
                    ?.textContent || !figure.querySelector('[role=img][aria-label]')).length,
            })))));
            document.body.append(seen);
        }, 0));
        </script>
        """;

    private HeadlessBrowser() {}

    /**
     * What a page looked like.
     *
     * @param console what was printed to its console
     * @param canvases of each, how many pixels are neither empty nor gray
     * @param fetched what it loaded beside itself
     * @param background its color
     * @param headings their texts
     * @param tables how many tables have a caption
     * @param unnamedCharts how many charts have no title, or no words for those who do not see them
     */
    record Seen(List<String> console, List<Double> canvases, List<Object> fetched, String background,
            List<Object> headings, int tables, int unnamedCharts) {}

    /** Loads a page, with the colors that the user prefers. Ends the test as skipped if there is no browser. */
    static Seen look(Path page, boolean dark) throws IOException, InterruptedException {
        String browser = NAMES.stream().filter(Command::isInstalled).findFirst().orElse("");
        if (browser.isEmpty()) {
            Command.lacking(NAME);
        }
        Path watched = page.resolveSibling("watched.html");
        Files.writeString(watched, Files.readString(page).replace("</body>", LOOK + "</body>"));
        Path messages = page.resolveSibling("browser.log");
        Process process = new ProcessBuilder(browser, "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--window-size=1280,2000", "--enable-logging=stderr",
                "--user-data-dir=" + page.resolveSibling("profile"),
                "--blink-settings=preferredColorScheme=" + (dark ? 0 : 1), "--virtual-time-budget=10000", "--dump-dom",
                watched.toUri().toString()).redirectError(messages.toFile()).start();
        String document = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).as("%s ends", browser).isTrue();
        List<String> console = Files.readAllLines(messages).stream().filter(line -> line.contains(":CONSOLE")).toList();
        Matcher found = SEEN.matcher(document);
        assertThat(found.find()).as("what the page's scripts made; %s", Files.readString(messages)).isTrue();
        Map<String, Object> seen = JsonText
                .parse(new String(Base64.getDecoder().decode(found.group(1)), StandardCharsets.UTF_8));
        List<Double> canvases = new ArrayList<>();
        JsonText.list(seen, "canvases").forEach(number -> canvases.add((Double) number));
        return new Seen(console, canvases, JsonText.list(seen, "fetched"), (String) JsonText.get(seen, "background"),
                JsonText.list(seen, "headings"), (int) JsonText.number(seen, "tables"),
                (int) JsonText.number(seen, "unnamed"));
    }
}
