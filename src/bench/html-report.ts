/**
 * The results as one HTML file: throughput bars and latency curves as inline SVG, the table, the
 * settings, and the data as JSON. No network, no script, no fonts: it opens from a file.
 */
import {
  type JsonReport,
  type TextTable,
  formatInteger,
  formatNs,
  machineTable,
  summaryTable,
} from './report.js';
import { type BenchRow, CURVE_PERCENTS } from './rows.js';

const COLORS = ['#2b6cb0', '#c05621', '#2f855a', '#6b46c1', '#b83280', '#718096'];

const STYLE = `
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #8884; }
.right { text-align: right; }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.3em 0 1em; }
pre { overflow-x: auto; }
`;

/** A whole HTML document. `medians` and `rounds` as in the text report. */
export function htmlReport(
  report: JsonReport,
  medians: readonly BenchRow[],
  rounds: readonly BenchRow[],
): string {
  const engines = unique(medians.map((row) => row.engine));
  const workloads = unique(medians.map((row) => row.workload));
  const byWorkload = (workload: string): BenchRow[] =>
    medians.filter((row) => row.workload === workload);
  const bars = workloads.map((name) => figure(name, barChart(byWorkload(name), engines)));
  const curves = workloads.map((name) => figure(name, curveChart(byWorkload(name), engines)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nokv bench ycsb</title>
<style>${STYLE}</style>
</head>
<body>
<h1>nokv bench ycsb</h1>
<p>${legend(engines)}</p>
<h2>Throughput, operations per second</h2>
<div class="charts">${bars.join('')}</div>
<h2>Latency by percentile (logarithmic)</h2>
<div class="charts">${curves.join('')}</div>
<h2>Figures</h2>
${tableHtml(summaryTable(medians, rounds))}
${tableHtml(machineTable(medians))}
<h2>Settings and machine</h2>
<pre>${escapeHtml(JSON.stringify({ settings: report.settings, machine: report.machine }, null, 2))}</pre>
<script type="application/json" id="data">${escapeScript(JSON.stringify(report))}</script>
</body>
</html>
`;
}

function figure(workload: string, svg: string): string {
  return `<figure><figcaption>${escapeHtml(workload)}</figcaption>${svg}</figure>`;
}

function legend(engines: readonly string[]): string {
  return engines
    .map(
      (name) =>
        `<span class="key" style="background:${colorOf(name, engines)}"></span>${escapeHtml(name)}`,
    )
    .join('');
}

const BAR_LEFT = 100;
const BAR_WIDTH = 210;
const BAR_STEP = 24;

/** Horizontal bars, one per engine, with the throughput at their ends. */
function barChart(rows: readonly BenchRow[], engines: readonly string[]): string {
  const largest = Math.max(1, ...rows.map((row) => row.opsPerSec));
  const bars = rows.map((row, i) => {
    const y = i * BAR_STEP + 4;
    const width = fixed((row.opsPerSec / largest) * BAR_WIDTH);
    const label = `<text x="${BAR_LEFT - 6}" y="${y + 12}" text-anchor="end">${escapeHtml(row.engine)}</text>`;
    const bar = `<rect x="${BAR_LEFT}" y="${y}" width="${width}" height="16" fill="${colorOf(row.engine, engines)}"/>`;
    const end = fixed(BAR_LEFT + Number(width) + 6);
    return `${label}${bar}<text x="${end}" y="${y + 12}">${formatInteger(row.opsPerSec)}</text>`;
  });
  return svg(400, rows.length * BAR_STEP + 4, bars.join(''));
}

const PLOT = { left: 56, top: 8, width: 330, height: 190 } as const;

/** Latency over percentiles; x is spaced by "nines", y is logarithmic. */
function curveChart(rows: readonly BenchRow[], engines: readonly string[]): string {
  const all = rows.flatMap((row) => row.curveNs).filter((ns) => ns > 0);
  const low = Math.floor(Math.log10(Math.max(1, Math.min(...all, 1e9))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(10, ...all))));
  const y = (ns: number): string => {
    const share = (Math.log10(Math.max(ns, 10 ** low)) - low) / (high - low);
    return fixed(PLOT.top + PLOT.height * (1 - share));
  };
  const grid: string[] = [];
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power);
    grid.push(
      `<line x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${at}" y2="${at}" stroke="#8884"/>` +
        `<text x="${PLOT.left - 4}" y="${at}" dy="4" text-anchor="end">${formatNs(10 ** power)}</text>`,
    );
  }
  const ticks = [0, 50, 90, 99, 99.9, 99.99, 100].map(
    (percent) =>
      `<text x="${xOf(percent)}" y="${PLOT.top + PLOT.height + 16}" text-anchor="middle">${percent}</text>`,
  );
  const lines = rows.map((row) => {
    const points = CURVE_PERCENTS.map((percent, i) => `${xOf(percent)},${y(row.curveNs[i] ?? 0)}`);
    return `<polyline fill="none" stroke-width="2" stroke="${colorOf(row.engine, engines)}" points="${points.join(' ')}"/>`;
  });
  return svg(400, PLOT.top + PLOT.height + 24, grid.join('') + ticks.join('') + lines.join(''));
}

/** Number of nines, 100 at five: 0 -> 0, 90 -> 1, 99 -> 2. */
function xOf(percent: number): string {
  const nines = percent >= 100 ? 5 : Math.min(5, -Math.log10(1 - percent / 100));
  return fixed(PLOT.left + (nines / 5) * PLOT.width);
}

function svg(width: number, height: number, content: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img">${content}</svg>`;
}

function tableHtml(table: TextTable): string {
  const cell = (tag: string, text: string, i: number): string => {
    const attribute = table.columns[i]?.align === 'right' ? ' class="right"' : '';
    return `<${tag}${attribute}>${escapeHtml(text)}</${tag}>`;
  };
  const head = table.columns.map((column, i) => cell('th', column.name, i)).join('');
  const body = table.rows
    .map((row) => `<tr>${row.map((text, i) => cell('td', text, i)).join('')}</tr>`)
    .join('');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function colorOf(engine: string, engines: readonly string[]): string {
  return COLORS[engines.indexOf(engine) % COLORS.length] ?? '#718096';
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** JSON inside a script element: nothing may look like its end or like a comment. */
function escapeScript(json: string): string {
  return json.replaceAll('<', '\\u003c');
}
