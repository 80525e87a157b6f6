'use strict';
(() => {
    const data = JSON.parse(document.getElementById('data').textContent);
    const report = data.report;
    const directions = ['read', 'write', 'trim', 'mixed'];
    const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
    const seriesColors = 6;
    const chartHeight = 230;
    /** Draws each chart, and again when colors or widths change. */
    const charts = [];

    // ---- numbers as people read them: three digits and a unit

    function digits(value) {
        return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
    }

    function scaled(value, base, units) {
        let rest = value;
        let unit = 0;
        while (rest >= base * 0.9995 && unit < units.length - 1) {
            rest /= base;
            unit++;
        }
        return (rest === Math.round(rest) ? String(rest) : digits(rest)) + units[unit];
    }

    const count = value => scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
    const bandwidth = value => scaled(value, 1024, [' B/s', ' KiB/s', ' MiB/s', ' GiB/s', ' TiB/s']);
    const bytes = value => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB', ' EiB']);
    const time = nanos => scaled(nanos, 1000, [' ns', ' µs', ' ms', ' s']);
    const percent = value => (value >= 9.95 ? value.toFixed(0) : value >= 0.095 ? value.toFixed(1) : value === 0 ? '0' : value.toFixed(3)) + '%';
    const seconds = value => Number(value.toFixed(2)) + ' s';
    const unknown = '–';
    const binary = Array.from({length: 50}, (_, power) => 2 ** power);

    // ---- elements

    function element(name, attributes, ...content) {
        const made = document.createElement(name);
        for (const [key, value] of Object.entries(attributes || {})) {
            made.setAttribute(key, value);
        }
        made.append(...content.filter(each => each !== null && each !== undefined));
        return made;
    }

    /** A table; the first column names the row. A column is {name, word?}; cells are texts or elements. */
    function table(caption, columns, rows) {
        const head = element('tr', {}, ...columns.map(column => element('th', {scope: 'col', class: column.word ? 'word' : ''}, column.name)));
        const body = rows.map(row => element('tr', {}, ...row.map((cell, i) => element(i === 0 ? 'th' : 'td',
            i === 0 ? {scope: 'row', class: columns[i].word ? 'word' : ''} : {class: (columns[i].word ? 'word' : '') + (columns[i].bars ? ' bars' : '')}, cell))));
        return element('div', {class: 'scroll'}, element('table', {class: 'figures'}, element('caption', {}, caption),
            element('thead', {}, head), element('tbody', {}, ...body)));
    }

    function bar(value, max, color) {
        const drawn = element('span', {class: 'bar', 'aria-hidden': 'true'});
        drawn.style.width = (max > 0 ? 100 * value / max : 0) + '%';
        drawn.style.background = `var(--series-${color % seriesColors})`;
        return drawn;
    }

    function list(title, lines, bad) {
        if (lines.length === 0) {
            return null;
        }
        return element('section', {}, element('h2', {class: bad ? 'bad' : ''}, title),
            element('ul', {}, ...lines.map(line => element('li', {}, line))));
    }

    // ---- charts

    function color(name) {
        return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    }

    function axis(label, side) {
        return Object.assign({label, labelSize: 22, stroke: color('--quiet'), font: '12px system-ui, "DejaVu Sans", sans-serif',
            labelFont: '12px system-ui, "DejaVu Sans", sans-serif', grid: {stroke: color('--grid'), width: 1},
            ticks: {stroke: color('--grid'), width: 1}}, side);
    }

    /**
     * A chart with its title, and its figures as a table.
     *
     * Lines are {label, color, dash, points: [[x, y], ...]}; x and y are {label, format} and, where it is not even and decimal, {splits, tick,
     * range, steps, log}; bars draws columns.
     */
    function chart(title, lines, x, y, bars) {
        const shown = lines.filter(line => line.points.length > 0);
        if (shown.length === 0) {
            return null;
        }
        const id = 'chart-' + (charts.length + 1);
        const plot = element('div', {role: 'img', 'aria-label': `${title}. ` + shown.map(line => summary(line, y)).join(' ')
            + ' The figures are in the table below.'});
        const joined = uPlot.join(shown.map(line => [line.points.map(point => point[0]), line.points.map(point => point[1])]));
        let drawn = null;
        charts.push(() => {
            if (drawn !== null) {
                drawn.destroy();
            }
            drawn = new uPlot({
                width: Math.max(280, plot.clientWidth), height: chartHeight, padding: [10, 20, 0, 0],
                cursor: {y: false}, legend: {markers: {dash: (_, i) => i > 0 && !bars && shown[i - 1].dash > 0 ? 'dashed' : 'solid'}},
                scales: {x: {time: false, range: x.range || padded}, y: y.log
                    ? {distr: 3, log: 10, range: decades} : {range: (_, min, max) => [0, max > 0 ? max * 1.08 : 1]}},
                axes: [axis(x.label, {size: 32, splits: x.splits, values: (_, splits) => splits.map(x.tick || x.format)}),
                    axis(y.label, {size: y.steps ? 88 : 66, incrs: y.steps, splits: y.log ? powers : undefined,
                        values: (_, splits) => splits.map(y.format), filter: (_, splits) => splits})],
                series: [{label: x.label, value: (_, value) => value === null || value === undefined ? unknown : x.format(value)},
                    ...shown.map(line => ({
                        label: line.label, stroke: color(`--series-${line.color % seriesColors}`), width: 2,
                        dash: bars ? [] : dashes[line.dash % dashes.length], spanGaps: true,
                        fill: bars ? color(`--series-${line.color % seriesColors}`) + '59' : undefined,
                        paths: bars ? uPlot.paths.bars({size: [1, Infinity], align: 1}) : undefined,
                        points: bars ? {show: false} : {size: 5},
                        value: (_, value) => value === null || value === undefined ? unknown : y.format(value)}))],
            }, joined, plot);
        });
        const columns = [{name: x.label}, ...shown.map(line => ({name: line.label}))];
        const rows = joined[0].map((at, i) => [x.format(at), ...shown.map((_, j) => {
            const value = joined[j + 1][i];
            return value === null || value === undefined ? unknown : y.format(value);
        })]);
        return element('figure', {'aria-labelledby': id}, element('figcaption', {id}, title), plot,
            element('details', {}, element('summary', {}, 'Figures'), table(`${title}: ${y.label}`, columns, rows)));
    }

    function summary(line, y) {
        const values = line.points.map(point => point[1]).filter(value => value !== null);
        return values.length === 0 ? '' : `${line.label}: ${y.format(Math.min(...values))} to ${y.format(Math.max(...values))}.`;
    }

    function padded(_, min, max) {
        return min === max ? [min - 0.5, max + 0.5] : [min, max];
    }

    function decades(_, min, max) {
        const from = Math.floor(Math.log10(min) + 1e-9);
        return [10 ** from, 10 ** Math.max(from + 1, Math.ceil(Math.log10(max) - 1e-9))];
    }

    function powers(_plot, _axis, min, max) {
        const splits = [];
        for (let power = Math.floor(Math.log10(min) + 1e-9); power <= Math.log10(max) + 1e-9; power++) {
            splits.push(10 ** power);
        }
        return splits;
    }

    function drawAll() {
        charts.forEach(draw => draw());
    }

    // ---- what is drawn

    const moved = job => directions.filter(direction => job[direction] && job[direction].total_ios > 0);

    /** The latency with the finest figures that were kept: completion, else total. */
    function latency(statistics) {
        return ['clat_ns', 'lat_ns'].map(name => statistics[name]).find(each => each.bins) || null;
    }

    function percentile(statistics, wanted) {
        const kept = latency(statistics);
        const value = kept ? kept.percentile[wanted] : undefined;
        return value === undefined ? unknown : time(value);
    }

    function bins(kept) {
        return Object.entries(kept.bins).map(([nanos, number]) => [Number(nanos), number]).sort((one, other) => one[0] - other[0]);
    }

    /** All lines of a panel: each member in each direction. Ways differ in color, and directions of a way in dashes. */
    function lines(panel, points) {
        const several = panel.members.length > 1;
        return panel.members.flatMap((member, i) => directions.map((direction, j) => ({
            label: several ? `${member.label} ${direction}` : direction, color: several ? i : j, dash: several ? j : 0,
            points: points(member.job, direction)})));
    }

    function overTime(panel, field) {
        return lines(panel, (job, direction) => {
            const timeline = data.timelines[job];
            return timeline[direction] ? timeline.to.map((to, i) => [(timeline.from[i] + to) / 2, timeline[direction][field][i]]) : [];
        });
    }

    const binsPerDecade = 10;

    function histogram(panel) {
        return lines(panel, (job, direction) => {
            const statistics = report.jobs[job][direction];
            const kept = statistics && latency(statistics);
            if (!kept) {
                return [];
            }
            const columns = new Map();
            let all = 0;
            for (const [nanos, number] of bins(kept)) {
                const column = Math.floor(Math.log10(Math.max(1, nanos)) * binsPerDecade);
                columns.set(column, (columns.get(column) || 0) + number);
                all += number;
            }
            const points = [];
            for (let column = Math.min(...columns.keys()) - 1; column <= Math.max(...columns.keys()) + 1; column++) {
                points.push([column / binsPerDecade, 100 * (columns.get(column) || 0) / all]);
            }
            return points;
        });
    }

    /** x is how many nines: 1 for 90%, 2 for 99%. */
    function curve(panel) {
        return lines(panel, (job, direction) => {
            const statistics = report.jobs[job][direction];
            const kept = statistics && latency(statistics);
            if (!kept) {
                return [];
            }
            const each = bins(kept);
            const all = each.reduce((sum, [, number]) => sum + number, 0);
            const points = [[0, each[0][0]]];
            let before = 0;
            for (const [nanos, number] of each) {
                before += number;
                const nines = before === all ? Math.log10(all) : -Math.log10(1 - before / all);
                const last = points[points.length - 1];
                if (nines > last[0]) {
                    points.push([nines, nanos]);
                } else if (before === all) {
                    // One operation alone is as far as the point before it, and the slowest.
                    last[1] = nanos;
                }
            }
            return points;
        });
    }

    function nines(value) {
        const part = 100 * (1 - 10 ** -value);
        return Number(part.toFixed(Math.max(1, Math.ceil(value) + 1))) + '%';
    }

    function percentileTable(panel) {
        const columns = [{name: 'percentile'}];
        const values = [];
        for (const line of lines(panel, (job, direction) => {
            const statistics = report.jobs[job][direction];
            const kept = statistics && latency(statistics);
            return kept ? Object.entries(kept.percentile) : [];
        })) {
            if (line.points.length > 0) {
                columns.push({name: line.label});
                values.push(new Map(line.points));
            }
        }
        if (values.length === 0) {
            return null;
        }
        const rows = [...values[0].keys()].map(name => [Number(name) + '%', ...values.map(value => time(value.get(name)))]);
        return table('Latency, percentiles', columns, rows);
    }

    function panelSection(panel, number) {
        const all = panel.members.map(member => report.jobs[member.job]['job options']);
        const options = Object.entries(all[0]).filter(([key, value]) => key !== 'name' && all.every(each => each[key] === value))
            .map(([key, value]) => `${key}=${value}`).join(' ');
        const section = element('section', {'aria-labelledby': 'job-' + number}, element('h2', {id: 'job-' + number}, panel.name),
            element('p', {class: 'quiet'}, (panel.threads > 1 ? `${panel.threads} threads: ` : '') + options));
        if (panel.members.every(member => moved(report.jobs[member.job]).length === 0)) {
            section.append(element('p', {}, 'No operation ended well: there is nothing to draw.'));
            return section;
        }
        const at = {label: 'time [s]', format: seconds};
        const slowest = panel.threads > 1 ? ' of the slowest thread' : '';
        const log = {label: 'latency', format: value => time(10 ** value), tick: value => Number.isInteger(value) ? time(10 ** value) : '',
            splits: (_, _axis, min, max) => {
                const splits = [];
                for (let i = Math.ceil(min); i <= max; i++) {
                    splits.push(i);
                }
                return splits;
            }};
        const rank = {label: 'percentile', format: nines, tick: value => value === 0 ? '' : nines(value), splits: (_, _axis, min, max) =>
            [0, Math.log10(2), 1, 2, 3, 4, 5, 6, 7, 8].filter(value => value >= min && value <= max)};
        const grid = element('div', {class: 'charts'});
        grid.append(...[
            chart('Operations a second', overTime(panel, 'iops'), at, {label: 'IOPS', format: count}),
            chart('Bandwidth', overTime(panel, 'bw_bytes'), at, {label: 'bandwidth', format: bandwidth, steps: binary}),
            chart(`99th percentile of latency${slowest}`, overTime(panel, 'p99_ns').map(line => ({...line,
                points: line.points.filter(point => point[1] !== null)})), at, {label: 'p99 latency', format: time}),
            chart('Latency histogram', histogram(panel), log, {label: 'operations [%]', format: percent}, true),
            chart('Latency by percentile', curve(panel), rank, {label: 'latency', format: time, log: true}),
            percentileTable(panel),
        ].filter(each => each !== null));
        if (panel.members.every(member => moved(report.jobs[member.job]).every(direction => !latency(report.jobs[member.job][direction])))) {
            section.append(element('p', {class: 'quiet'}, 'The job kept no latencies.'));
        }
        section.append(grid);
        return section;
    }

    function overview() {
        const several = data.panels[0].members.length > 1;
        const rows = [];
        const max = Math.max(...report.jobs.flatMap(job => moved(job).map(direction => job[direction].iops)), 0);
        for (const panel of data.panels) {
            panel.members.forEach((member, i) => {
                const job = report.jobs[member.job];
                const name = several ? [panel.name, member.label] : [panel.name];
                // A node of its own for each row.
                const errors = () => job.error === 0 ? '0' : element('span', {class: 'bad'}, String(job.total_err || 1));
                if (moved(job).length === 0) {
                    rows.push([...name, 'none', ...Array(8).fill(unknown), errors(), '']);
                }
                for (const direction of moved(job)) {
                    const statistics = job[direction];
                    const kept = latency(statistics) || statistics.lat_ns;
                    rows.push([...name, direction, count(statistics.iops), bandwidth(statistics.bw_bytes), bytes(statistics.io_bytes),
                        seconds(statistics.runtime / 1000), kept.N > 0 ? time(kept.mean) : unknown,
                        percentile(statistics, '50.000000'), percentile(statistics, '99.000000'), kept.N > 0 ? time(kept.max) : unknown, errors(),
                        bar(statistics.iops, max, several ? i : directions.indexOf(direction))]);
                }
            });
        }
        const columns = [{name: 'job', word: true}, ...(several ? [{name: 'way', word: true}] : []), {name: 'operations', word: true}, {name: 'IOPS'},
            {name: 'bandwidth'}, {name: 'moved'}, {name: 'time'}, {name: 'mean latency'}, {name: 'p50'}, {name: 'p99'}, {name: 'longest'},
            {name: 'errors'}, {name: 'IOPS', bars: true}];
        return element('section', {}, table('All jobs', columns, rows));
    }

    function comparison() {
        const ways = report.blkmq.compare;
        if (!ways || ways.length === 0) {
            return null;
        }
        const max = Math.max(...ways.map(way => way.iops));
        const rows = ways.map((way, i) => [way.name, way.description, count(way.iops), `${count(way.iops_min)} to ${count(way.iops_max)}`,
            way.ratio.toFixed(2), bar(way.iops, max, i)]);
        return element('section', {}, table(`Ways, in ${ways[0].slices} slices each: the median of the slices`, [{name: 'way', word: true},
            {name: 'what it is', word: true}, {name: 'IOPS'}, {name: 'range'}, {name: 'to the first'}, {name: 'IOPS', bars: true}], rows));
    }

    function sweepSection(sweep) {
        const several = sweep.ways.length > 1;
        const sweepLines = value => sweep.ways.flatMap((way, i) => directions.map((direction, j) => ({
            label: several ? `${way.label} ${direction}` : direction, color: several ? i : j, dash: several ? j : 0,
            points: way.jobs.map(job => [Math.log2(report.jobs[job].latency_depth), value(report.jobs[job][direction])])
                .filter(point => point[1] !== null)})));
        const depths = [...new Set(sweep.ways.flatMap(way => way.jobs.map(job => Math.log2(report.jobs[job].latency_depth))))];
        const depth = {label: 'iodepth', format: value => String(Math.round(2 ** value)), splits: () => depths};
        const latencies = wanted => sweepLines(statistics => {
            const kept = statistics && latency(statistics);
            return kept && kept.percentile[wanted] !== undefined ? kept.percentile[wanted] : null;
        });
        const drawn = [
            chart('Operations a second by depth', sweepLines(statistics => statistics && statistics.total_ios > 0 ? statistics.iops : null),
                depth, {label: 'IOPS', format: count}),
            chart('Median of latency by depth', latencies('50.000000'), depth, {label: 'p50 latency', format: time}),
            chart('99th percentile of latency by depth', latencies('99.000000'), depth, {label: 'p99 latency', format: time}),
        ].filter(each => each !== null);
        return drawn.length === 0 ? null : element('section', {}, element('h2', {}, `Depths of ${sweep.name}`),
            element('p', {class: 'quiet'}, 'Jobs that are the same but for iodepth.'), element('div', {class: 'charts'}, ...drawn));
    }

    function devices() {
        const own = report.blkmq.devices || report.blkmq.compare.flatMap(way => way.devices.map(device => ({...device, name: `${device.name} (${way.name})`})));
        return element('section', {}, table('Devices', [{name: 'name', word: true}, {name: 'on', word: true}, {name: 'how', word: true}, {name: 'size'},
            {name: 'hardware queues'}, {name: 'depth'}, {name: 'polled'}, {name: 'copied operations'}],
            own.map(device => [device.name, device.backing, device.mode, bytes(device.size_bytes), String(device.hardware_queues),
                String(device.depth), device.polled ? 'yes' : 'no', String(device.bounces)])));
    }

    const names = data.panels.map(panel => panel.name).join(', ');
    document.title = `blkmq run: ${names}`;
    const notes = report.blkmq.notes || [...new Set(report.blkmq.compare.flatMap(way => way.notes))];
    const errors = report.jobs.flatMap(job => job.error_messages.map(message => `${job.jobname}: ${message}`));
    const root = document.getElementById('report');
    root.append(...[
        element('h1', {}, `blkmq run: ${names}`),
        element('p', {class: 'quiet'}, `${new Date(report.timestamp_ms).toLocaleString()} · ${report['fio version']}`
            + (data.stopped ? ' · ended before its time' : '')),
        list('Errors', errors, true), comparison(), overview(), ...data.sweeps.map(sweepSection), ...data.panels.map(panelSection), devices(),
        list('Notes', notes, false),
    ].filter(each => each !== null));

    drawAll();
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
    let width = root.clientWidth;
    new ResizeObserver(() => {
        if (root.clientWidth !== width) {
            width = root.clientWidth;
            drawAll();
        }
    }).observe(root);
})();
