package io.blkmq.tools.run;

/** Numbers: how many, bounds, mean and deviation. For one thread; to be read and merged when it has ended. */
public final class Spread {
    private long count;
    private double min = Double.MAX_VALUE;
    private double max;
    private double mean;
    /** The sum of the squares of the differences from the mean. */
    private double squares;

    Spread() {}

    void reset() {
        count = 0;
        min = Double.MAX_VALUE;
        max = 0;
        mean = 0;
        squares = 0;
    }

    void record(double value) {
        count++;
        min = Math.min(min, value);
        max = Math.max(max, value);
        double difference = value - mean;
        mean += difference / count;
        squares += difference * (value - mean);
    }

    void add(Spread other) {
        if (other.count == 0) {
            return;
        }
        double difference = other.mean - mean;
        long all = count + other.count;
        squares += other.squares + difference * difference * count * other.count / all;
        mean += difference * other.count / all;
        count = all;
        min = Math.min(min, other.min);
        max = Math.max(max, other.max);
    }

    /**
     * How many numbers there were.
     *
     * @return 0 or more
     */
    public long count() {
        return count;
    }

    /**
     * The smallest.
     *
     * @return 0 if there was none
     */
    public double min() {
        return count == 0 ? 0 : min;
    }

    /**
     * The largest.
     *
     * @return 0 if there was none
     */
    public double max() {
        return max;
    }

    /**
     * The mean.
     *
     * @return 0 if there was none
     */
    public double mean() {
        return mean;
    }

    /**
     * The standard deviation, of a sample.
     *
     * @return 0 if there were fewer than two
     */
    public double deviation() {
        return count < 2 ? 0 : Math.sqrt(squares / (count - 1));
    }
}
