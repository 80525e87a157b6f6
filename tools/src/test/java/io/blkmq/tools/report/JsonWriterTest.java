package io.blkmq.tools.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonWriterTest {
    @Test
    void whatIsWrittenIsRead() {
        JsonWriter json = new JsonWriter().beginObject().put("text", "a \"b\" \\ \n\t\u0001 \u00e9").put("number", 12L)
                .put("real", 0.5).put("flag", true);
        json.beginObject("empty").endObject().beginArray("list").add("x").addObject().put("y", 1L).endObject()
                .endArray();
        Map<String, Object> read = JsonText.parse(json.endObject().toString());
        assertThat(read).containsEntry("text", "a \"b\" \\ \n\t\u0001 \u00e9").containsEntry("number", 12.0)
                .containsEntry("real", 0.5).containsEntry("flag", true);
        assertThat(JsonText.list(read, "list")).hasSize(2);
    }

    @Test
    void numbersThatJsonDoesNotHaveAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new JsonWriter().beginObject().put("x", Double.NaN))
                .withMessageContaining("NaN");
    }
}
