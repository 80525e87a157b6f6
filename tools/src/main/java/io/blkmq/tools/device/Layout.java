package io.blkmq.tools.device;

/** Is told how far the writing of an image is, and can end it. */
public interface Layout {
    /** Nobody looks. */
    Layout SILENT = new Layout() {
        @Override
        public boolean isStopped() {
            return false;
        }

        @Override
        public void written(String what, long bytes, long ofBytes) {}
    };

    /**
     * Whether the end was asked for.
     *
     * @return true to leave the rest out
     */
    boolean isStopped();

    /**
     * So much is written.
     *
     * @param what the name of the device
     * @param bytes until now
     * @param ofBytes in all
     */
    void written(String what, long bytes, long ofBytes);
}
