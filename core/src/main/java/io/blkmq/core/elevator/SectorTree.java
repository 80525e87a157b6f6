package io.blkmq.core.elevator;

import io.blkmq.core.driver.Request;
import org.jspecify.annotations.Nullable;

/**
 * Requests in the order of their sectors; those that begin at the same one in the order of insertion. A treap: a search tree by sector
 * that is a heap by random weights, and so balanced with all likelihood, whatever comes. It takes no memory of its own. Guarded by the
 * elevator's lock.
 */
final class SectorTree {
    private @Nullable Node root;
    /** The state of a xorshift generator: the same weights in every run. */
    private int random = 0x2545F491;

    /** What a request needs to stand here. */
    static class Node extends Waiting {
        /** Where it began when it was inserted. */
        long sector;
        /** Where it stands in a {@link SectorOrder}. */
        int slot;
        private int weight;
        private @Nullable Node parent;
        private @Nullable Node left;
        private @Nullable Node right;

        Node(Request request) {
            super(request);
        }
    }

    boolean isEmpty() {
        return root == null;
    }

    /** Puts one in, by its {@link Node#sector}. */
    void insert(Node node) {
        random ^= random << 13;
        random ^= random >>> 17;
        random ^= random << 5;
        node.weight = random;
        Node above = null;
        for (Node n = root; n != null; n = node.sector < n.sector ? n.left : n.right) {
            above = n;
        }
        node.parent = above;
        if (above == null) {
            root = node;
        } else if (node.sector < above.sector) {
            above.left = node;
        } else {
            above.right = node;
        }
        while (node.parent != null && node.weight < node.parent.weight) {
            raise(node, node.parent);
        }
    }

    void remove(Node node) {
        Node l = node.left;
        Node r = node.right;
        while (l != null && r != null) {
            raise(r.weight < l.weight ? r : l, node);
            l = node.left;
            r = node.right;
        }
        Node child = l == null ? r : l;
        Node above = node.parent;
        if (child != null) {
            child.parent = above;
        }
        hang(child, node, above);
        node.parent = null;
        node.left = null;
        node.right = null;
    }

    /** Puts a node in the place of its parent. */
    @SuppressWarnings("ReferenceEquality")
    private void raise(Node node, Node parent) {
        Node above = parent.parent;
        Node between;
        if (parent.left == node) {
            between = node.right;
            node.right = parent;
            parent.left = between;
        } else {
            between = node.left;
            node.left = parent;
            parent.right = between;
        }
        if (between != null) {
            between.parent = parent;
        }
        parent.parent = node;
        node.parent = above;
        hang(node, parent, above);
    }

    @SuppressWarnings("ReferenceEquality")
    private void hang(@Nullable Node node, Node inPlaceOf, @Nullable Node above) {
        if (above == null) {
            root = node;
        } else if (above.left == inPlaceOf) {
            above.left = node;
        } else {
            above.right = node;
        }
    }

    /** The first that begins at a sector or behind it. */
    @Nullable
    Node from(long sector) {
        Node best = null;
        for (Node n = root; n != null;) {
            if (n.sector >= sector) {
                best = n;
                n = n.left;
            } else {
                n = n.right;
            }
        }
        return best;
    }

    /** The last that begins before a sector. */
    @Nullable
    Node lastBefore(long sector) {
        Node best = null;
        for (Node n = root; n != null;) {
            if (n.sector < sector) {
                best = n;
                n = n.right;
            } else {
                n = n.left;
            }
        }
        return best;
    }
}
