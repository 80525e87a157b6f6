package io.blkmq.core.nullblk;

import io.blkmq.core.driver.Request;

/** Where a device in memory keeps its data. Any thread. */
interface Medium {
    /** Does what a request within the device's size asks. */
    void transfer(Request rq);

    /** The power fails: what has not been made durable is gone. */
    void losePower();
}
