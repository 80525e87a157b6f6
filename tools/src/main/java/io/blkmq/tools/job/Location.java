package io.blkmq.tools.job;

/**
 * Where a setting comes from: a line of a job file, or an option of the command line.
 *
 * @param source name of the file as the user gave it, or the option
 * @param line from 1; 0 if there are no lines
 */
public record Location(String source, int line) {
    /**
     * An option of the command line.
     *
     * @param option its name
     * @return its location
     */
    public static Location ofOption(String option) {
        return new Location(option, 0);
    }

    @Override
    public String toString() {
        return line == 0 ? source : source + ":" + line;
    }
}
