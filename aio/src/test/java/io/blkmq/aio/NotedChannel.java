package io.blkmq.aio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A channel that notes what changes the file, in order. */
final class NotedChannel extends ChannelUnderFile {
    private final List<String> notes;

    private NotedChannel(FileChannel real, List<String> notes) {
        super(real);
        this.notes = notes;
    }

    /** The notes on a file from now on. */
    static List<String> under(ChannelFile file) {
        List<String> notes = Collections.synchronizedList(new ArrayList<>());
        file.wrapChannel(real -> new NotedChannel(real, notes));
        return notes;
    }

    @Override
    public int write(ByteBuffer src, long to) throws IOException {
        notes.add("write " + src.remaining() + " at " + to);
        return super.write(src, to);
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        notes.add("cut to " + size);
        return super.truncate(size);
    }

    @Override
    public void force(boolean metaData) throws IOException {
        notes.add(metaData ? "sync" : "sync of data");
        super.force(metaData);
    }
}
