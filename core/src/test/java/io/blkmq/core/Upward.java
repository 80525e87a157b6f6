package io.blkmq.core;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Counts the references between compiled classes that run upward: those that would have to go for the classes to stand in layers, each on those
 * below it alone. {@code bin/upward} runs it.
 *
 * <p>The number is that of the best order found: by Eades, Lin and Smyth's heuristic and moves of single classes for as long as one brings
 * something, then by shaking what was found. The same classes always give the same number. Nested classes count as their outermost one; references that only a {@code permits}
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
    /** So often the best order is shaken, and so many classes change their places then. */
    private static final int SHAKES = 2000;
    private static final int SHAKEN_MAX = 12;

    private final List<Reference> references;
    /** In the order of their names; elsewhere each is its number here. */
    private final List<String> classes;
    /** Whether the first class refers to the second. */
    private final boolean[][] refers;
    private final List<Reference> upward;

    private Upward(Set<Reference> named) {
        Set<String> referring = named.stream().map(Reference::from).collect(Collectors.toSet());
        this.references = named.stream().filter(each -> referring.contains(each.to)).toList();
        this.classes = references.stream().flatMap(each -> Stream.of(each.from, each.to)).distinct().sorted().toList();
        this.refers = new boolean[classes.size()][classes.size()];
        references.forEach(each -> refers[number(each.from)][number(each.to)] = true);
        int[] places = new int[classes.size()];
        List<Integer> order = bestOrder();
        for (int i = 0; i < places.length; i++) {
            places[order.get(i)] = i;
        }
        this.upward = references.stream().filter(each -> places[number(each.from)] > places[number(each.to)])
                .sorted(Comparator.comparing(Reference::toString)).toList();
    }

    private int number(String name) {
        return Collections.binarySearch(classes, name);
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

    /** From above to below. */
    private List<Integer> bestOrder() {
        Random random = new Random(1);
        List<Integer> best = improved(fromAboveToBelow());
        int fewest = upwardIn(best);
        for (int i = 0; i < SHAKES; i++) {
            List<Integer> shaken = new ArrayList<>(best);
            for (int moves = random.nextInt(SHAKEN_MAX) + 1; moves > 0 && !shaken.isEmpty(); moves--) {
                int from = random.nextInt(shaken.size());
                Integer moved = shaken.get(from);
                dropAt(shaken, from);
                shaken.add(random.nextInt(shaken.size() + 1), moved);
            }
            List<Integer> tried = improved(shaken);
            int count = upwardIn(tried);
            // Also one that is as good: it may lead to a better one.
            if (count <= fewest) {
                best = tried;
                fewest = count;
            }
        }
        return best;
    }

    private int upwardIn(List<Integer> order) {
        int count = 0;
        for (int i = 0; i < order.size(); i++) {
            for (int j = 0; j < i; j++) {
                count += refers[order.get(i)][order.get(j)] ? 1 : 0;
            }
        }
        return count;
    }

    /** The heuristic: those that refer to nothing that is left go to the end, those that nothing refers to go to the beginning. */
    private List<Integer> fromAboveToBelow() {
        List<Integer> left = IntStream.range(0, classes.size()).boxed()
                .collect(Collectors.toCollection(ArrayList::new));
        List<Integer> head = new ArrayList<>();
        List<Integer> tail = new ArrayList<>();
        while (!left.isEmpty()) {
            takeEnds(left, head, tail);
            if (!left.isEmpty()) {
                Integer most = Collections.max(left,
                        Comparator.comparingInt(node -> below(node, left) - above(node, left)));
                head.add(most);
                dropAt(left, left.indexOf(most));
            }
        }
        head.addAll(tail.reversed());
        return head;
    }

    private void takeEnds(List<Integer> left, List<Integer> head, List<Integer> tail) {
        for (boolean moved = true; moved;) {
            moved = false;
            for (Integer node : List.copyOf(left)) {
                boolean refersToNone = below(node, left) == 0;
                if (refersToNone || above(node, left) == 0) {
                    (refersToNone ? tail : head).add(node);
                    dropAt(left, left.indexOf(node));
                    moved = true;
                }
            }
        }
    }

    private static void dropAt(List<Integer> of, int index) {
        of.subList(index, index + 1).clear();
    }

    /** How many of some classes one refers to. */
    private int below(int node, List<Integer> of) {
        return (int) of.stream().filter(other -> refers[node][other]).count();
    }

    /** How many of some classes refer to one. */
    private int above(int node, List<Integer> of) {
        return (int) of.stream().filter(other -> refers[other][node]).count();
    }

    /** Moves single classes to better places for as long as one brings something. */
    private List<Integer> improved(List<Integer> order) {
        List<Integer> best = order;
        for (boolean moved = true; moved;) {
            moved = false;
            for (Integer node : List.copyOf(best)) {
                int at = best.indexOf(node);
                List<Integer> others = new ArrayList<>(best);
                dropAt(others, at);
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
    private int bestPlace(int node, int at, List<Integer> others) {
        // Standing first costs the references from others to it, standing behind one of them not that.
        int cost = 0;
        for (int other : others) {
            cost += refers[other][node] ? 1 : 0;
        }
        int place = 0;
        int least = cost;
        int here = cost;
        for (int i = 1; i <= others.size(); i++) {
            int passed = others.get(i - 1);
            cost += (refers[node][passed] ? 1 : 0) - (refers[passed][node] ? 1 : 0);
            here = i == at ? cost : here;
            if (cost < least || (cost == least && Math.abs(i - at) < Math.abs(place - at))) {
                place = i;
                least = cost;
            }
        }
        return least < here ? place : -1;
    }

    /** Those that run upward, in the order of their names. */
    public List<Reference> upward() {
        return upward;
    }

    /** The classes that refer to others, and to which some of these refer or which refer to some. */
    public List<String> classes() {
        return classes;
    }

    /** The number, in words. */
    public String summary() {
        return upward.size() + " of " + references.size() + " references between " + classes.size()
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
