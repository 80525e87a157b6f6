package io.blkmq.tools.job;

/**
 * Which file or device the next operations go to.
 *
 * @param order how it is chosen
 * @param operations after how many another is chosen
 */
public record FileService(Order order, int operations) {
    /** How the next is chosen. */
    public enum Order {
        /** One after the other. */
        ROUNDROBIN,
        /** The next when one is finished. */
        SEQUENTIAL,
        /** Any. */
        RANDOM
    }

    static FileService parse(String text) {
        String[] parts = text.strip().split(":", 2);
        Order order = switch (parts[0]) {
            case "roundrobin" -> Order.ROUNDROBIN;
            case "sequential" -> Order.SEQUENTIAL;
            case "random" -> Order.RANDOM;
            default ->
                throw new IllegalArgumentException("\"" + parts[0] + "\": possible are roundrobin, sequential, random");
        };
        return new FileService(order, parts.length < 2 ? 1 : Quantity.count(parts[1], 1, Integer.MAX_VALUE));
    }
}
