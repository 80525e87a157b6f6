package io.blkmq.tools.run;

import io.blkmq.tools.device.Layout;

/** Tells the listener of a run how far the writing of images is. */
final class LayoutProgress implements Layout {
    private final RunControl control;
    private final RunListener listener;

    LayoutProgress(RunControl control, RunListener listener) {
        this.control = control;
        this.listener = listener;
    }

    @Override
    public boolean isStopped() {
        return control.isStopped();
    }

    @Override
    public void written(String what, long bytes, long ofBytes) {
        listener.laidOut(what, bytes, ofBytes);
    }
}
