package io.blkmq.tools.report;

import io.blkmq.tools.job.Key;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Jobs that are the same but for their {@code iodepth}, as a list of sections that run one after the other.
 *
 * @param name of the first job
 * @param jobs places in the list of groups, in the order of depth; at least two, all of other depths
 */
record DepthSweep(String name, List<Integer> jobs) {
    /** What may differ in such jobs beside the depth: names, and when they begin. */
    private static final Set<String> IRRELEVANT = Set.of(Key.IODEPTH.keyName(), Key.NAME.keyName(),
            Key.DESCRIPTION.keyName(), Key.STONEWALL.keyName(), Key.NEW_GROUP.keyName(), Key.WAIT_FOR.keyName(),
            Key.STARTDELAY.keyName());

    static List<DepthSweep> of(List<ReportGroup> groups) {
        Map<Map<String, String>, List<Integer>> alike = new LinkedHashMap<>();
        for (int i = 0; i < groups.size(); i++) {
            Map<String, String> options = groups.get(i).spec().options();
            options.keySet().removeAll(IRRELEVANT);
            alike.computeIfAbsent(options, _ -> new ArrayList<>()).add(i);
        }
        List<DepthSweep> sweeps = new ArrayList<>();
        for (List<Integer> jobs : alike.values()) {
            jobs.sort(
                    (one, other) -> Integer.compare(groups.get(one).spec().depth(), groups.get(other).spec().depth()));
            boolean distinct = jobs.stream().map(job -> groups.get(job).spec().depth()).distinct().count() == jobs
                    .size();
            if (jobs.size() > 1 && distinct) {
                sweeps.add(new DepthSweep(groups.get(jobs.stream().min(Integer::compare).orElseThrow()).name(), jobs));
            }
        }
        return sweeps;
    }
}
