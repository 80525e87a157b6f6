package io.blkmq.aio;

import jdk.jfr.FlightRecorder;

/**
 * Where engines tell the flight recorder what happens. A class of events registers itself with the recorder when it is initialized, which
 * takes long; so none is touched before there is a recording in this process.
 */
final class EngineEvents {
    private EngineEvents() {}

    /** An engine is passed over. */
    static void passedOver(String engine, String reason) {
        if (FlightRecorder.isInitialized()) {
            new EngineFallbackEvent(engine, reason).commit();
        }
    }

    /** A ring has failed. */
    static void ringFailed(Object engine, Throwable failure, int inARow, boolean givenUp) {
        if (FlightRecorder.isInitialized()) {
            new RingErrorEvent(engine.toString(), failure.toString(), inARow, givenUp).commit();
        }
    }
}
