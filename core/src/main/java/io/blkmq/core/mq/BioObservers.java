package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Several observers of one queue, in the order in which they were added: at least two. */
record BioObservers(List<BioObserver> all) implements BioObserver {
    static BioObserver with(@Nullable BioObserver before, BioObserver added) {
        if (before == null) {
            return added;
        }
        List<BioObserver> more = new ArrayList<>(listOf(before));
        more.add(added);
        return new BioObservers(List.copyOf(more));
    }

    static @Nullable BioObserver without(@Nullable BioObserver before, BioObserver removed) {
        if (before == null) {
            return null;
        }
        List<BioObserver> left = new ArrayList<>(listOf(before));
        left.remove(removed);
        return left.isEmpty() ? null : left.size() == 1 ? left.getFirst() : new BioObservers(List.copyOf(left));
    }

    private static List<BioObserver> listOf(BioObserver observer) {
        return observer instanceof BioObservers several ? several.all : List.of(observer);
    }

    @Override
    public End submitted(Bio bio) {
        List<End> ends = new ArrayList<>(all.size());
        for (BioObserver observer : all) {
            try {
                End end = observer.submitted(bio);
                if (end != null) {
                    ends.add(end);
                }
            } catch (Throwable t) {
                CallbackFailures.report("observer of a bio (" + bio + ")", t);
            }
        }
        return (ended, status) -> {
            for (End end : ends) {
                try {
                    end.ended(ended, status);
                } catch (Throwable t) {
                    CallbackFailures.report("observer of a bio (" + ended + ")", t);
                }
            }
        };
    }
}
