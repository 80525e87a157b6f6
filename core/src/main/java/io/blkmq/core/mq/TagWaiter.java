package io.blkmq.core.mq;

/** What stands in a line for a tag: a thread that is parked, or a bio whose thread may not wait. */
abstract class TagWaiter {
    TagWaiter() {}

    /**
     * Gives it its tag, which it has waited for. Whoever has taken it off its line.
     *
     * @param rq the tag's request
     */
    abstract void serve(TagRequest rq);

    /** It may have to leave: lets it look again whether it goes on waiting. Under the lock of the line. */
    abstract void wake();

    /** Whether it leaves its line by itself when it is woken. If not, whoever wakes it takes it off the line. */
    abstract boolean leavesByItself();
}
