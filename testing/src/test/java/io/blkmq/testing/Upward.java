package io.blkmq.testing;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Counts the references between compiled classes that run upward: those that would have to go for the classes to stand in layers, each on those
 * below it alone. {@code bin/upward} runs it.
 *
 * <p>The number is that of the best order found: by Eades, Lin and Smyth's heuristic, and moves of single classes for as long as one brings
 * something. The same classes always give the same number. Nested classes count as their outermost one; references that only a {@code permits}
 * clause makes count too, and the class of a constant that the compiler has put in the constant's place.
 */
public final class Upward {
    /** A class, and another that it names. */
    public record Reference(String from, String to) {
        @Override
        public String toString() {
            return from + " -> " + to;
        }
    }

    private static final Pattern TYPE = Pattern.compile("L(io/blkmq/[\\w/$]+)[;<]");
    private static final String COMMON = "io.blkmq.";

    private final List<Reference> references;
    private final Map<String, Set<String>> below = new TreeMap<>();
    private final Map<String, Set<String>> above = new HashMap<>();
    private final Map<String, Integer> places = new HashMap<>();

    private Upward(Set<Reference> named) {
        Set<String> classes = named.stream().map(Reference::from).collect(Collectors.toCollection(TreeSet::new));
        this.references = named.stream().filter(each -> classes.contains(each.to)).toList();
        for (Reference each : references) {
            below.computeIfAbsent(each.from, _ -> new HashSet<>()).add(each.to);
            below.computeIfAbsent(each.to, _ -> new HashSet<>());
            above.computeIfAbsent(each.to, _ -> new HashSet<>()).add(each.from);
            above.computeIfAbsent(each.from, _ -> new HashSet<>());
        }
        List<String> order = improved(fromAboveToBelow());
        for (int i = 0; i < order.size(); i++) {
            places.put(order.get(i), i);
        }
    }

    /**
     * Looks at the classes in folders.
     *
     * @param folders with class files
     * @param inPackages beginning of the names of those that count
     * @return what they refer to
     * @throws IOException if they cannot be read
     */
    public static Upward of(List<Path> folders, String inPackages) throws IOException {
        Set<Reference> named = new HashSet<>();
        for (Path folder : folders) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.filter(each -> each.toString().endsWith(".class")).toList()) {
                    String name = outermost(folder.relativize(file).toString().replaceFirst("\\.class$", ""));
                    if (name.startsWith(inPackages)) {
                        addNamedBy(file, name, named);
                    }
                }
            }
        }
        return new Upward(named.stream().filter(each -> each.to.startsWith(inPackages)).collect(Collectors.toSet()));
    }

    private static void addNamedBy(Path file, String name, Set<Reference> named) throws IOException {
        for (PoolEntry entry : ClassFile.of().parse(file).constantPool()) {
            if (entry instanceof ClassEntry type && !type.asInternalName().startsWith("[")) {
                add(name, type.asInternalName(), named);
            } else if (entry instanceof Utf8Entry text && "(L[<".indexOf(firstOf(text.stringValue())) >= 0) {
                // A descriptor or a signature.
                Matcher types = TYPE.matcher(text.stringValue());
                while (types.find()) {
                    add(name, types.group(1), named);
                }
            }
        }
    }

    private static char firstOf(String text) {
        return text.isEmpty() ? ' ' : text.charAt(0);
    }

    private static void add(String name, String internalName, Set<Reference> named) {
        String other = outermost(internalName);
        if (other.startsWith(COMMON) && !other.equals(name)) {
            named.add(new Reference(name, other));
        }
    }

    private static String outermost(String internalName) {
        return internalName.replace('/', '.').replaceFirst("\\$.*", "");
    }

    /** The heuristic: those that refer to nothing that is left go to the end, those that nothing refers to go to the beginning. */
    private List<String> fromAboveToBelow() {
        Set<String> left = new TreeSet<>(below.keySet());
        List<String> head = new ArrayList<>();
        List<String> tail = new ArrayList<>();
        while (!left.isEmpty()) {
            takeEnds(left, head, tail);
            String best = null;
            int most = Integer.MIN_VALUE;
            for (String node : left) {
                int difference = countIn(below.get(node), left) - countIn(above.get(node), left);
                if (difference > most) {
                    most = difference;
                    best = node;
                }
            }
            if (best != null) {
                head.add(best);
                left.remove(best);
            }
        }
        head.addAll(tail.reversed());
        return head;
    }

    private void takeEnds(Set<String> left, List<String> head, List<String> tail) {
        for (boolean moved = true; moved;) {
            moved = false;
            for (String node : List.copyOf(left)) {
                boolean refersToNone = countIn(below.get(node), left) == 0;
                if (refersToNone || countIn(above.get(node), left) == 0) {
                    (refersToNone ? tail : head).add(node);
                    left.remove(node);
                    moved = true;
                }
            }
        }
    }

    private static int countIn(Set<String> nodes, Set<String> left) {
        int count = 0;
        for (String node : nodes) {
            count += left.contains(node) ? 1 : 0;
        }
        return count;
    }

    /** Moves single classes to better places for as long as one brings something. */
    private List<String> improved(List<String> order) {
        List<String> best = order;
        for (boolean moved = true; moved;) {
            moved = false;
            for (String node : List.copyOf(best)) {
                int at = best.indexOf(node);
                List<String> others = new ArrayList<>(best);
                others.remove(at);
                int place = bestPlace(node, at, others);
                if (place >= 0) {
                    others.add(place, node);
                    best = others;
                    moved = true;
                }
            }
        }
        return best;
    }

    /** The place where the fewest references run upward because of a class; -1 if none is better than where it stands. */
    private int bestPlace(String node, int at, List<String> others) {
        // Standing first costs the references from others to it, standing behind one of them not that.
        int cost = above.get(node).size();
        int[] costs = new int[others.size() + 1];
        costs[0] = cost;
        for (int i = 0; i < others.size(); i++) {
            cost += below.get(node).contains(others.get(i)) ? 1 : 0;
            cost -= above.get(node).contains(others.get(i)) ? 1 : 0;
            costs[i + 1] = cost;
        }
        int place = 0;
        for (int i = 1; i < costs.length; i++) {
            if (costs[i] < costs[place] || (costs[i] == costs[place] && Math.abs(i - at) < Math.abs(place - at))) {
                place = i;
            }
        }
        return costs[place] < costs[at] ? place : -1;
    }

    /** Those that run upward, in the order of their names. */
    public List<Reference> upward() {
        return references.stream().filter(each -> places.get(each.from) > places.get(each.to)).sorted(
                Comparator.comparing(Reference::toString)).toList();
    }

    /** The classes that refer to others, or that others refer to. */
    public Set<String> classes() {
        return Set.copyOf(below.keySet());
    }

    /** The number, in words. */
    public String summary() {
        return upward().size() + " of " + references.size() + " references between " + places.size()
                + " classes run upward";
    }

    /**
     * The command.
     *
     * @param arguments folders, and {@code --list}
     * @throws IOException if classes cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        List<String> folders = new ArrayList<>(List.of(arguments));
        boolean listing = folders.remove("--list");
        Upward seen = of(folders.stream().map(Path::of).toList(), COMMON);
        if (listing) {
            seen.upward().forEach(System.out::println);
        }
        System.out.println(seen.summary());
    }
}
