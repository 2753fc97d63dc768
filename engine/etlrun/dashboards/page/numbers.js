'use strict';
/* The numbers of a page, from sums of cells (dashboards/cube.py), by the rules of dashboards/measures.py. */
let D; // what the page holds, as dashboards/html.py writes it
const selected = new Map(); // filter -> code; 0 is a missing value
const utf8 = new TextDecoder();
let packed; // bytes of the rows of tables

/* The bytes of a block, as dashboards/page_block.py writes them: low bits of all bytes, then high bits. */
async function inflated(id) {
  const text = document.getElementById(id).textContent, part = Math.ceil(text.length / 8), size = text.length - part;
  const bytes = new Uint8Array(size);
  for (let bit = 0, at = 0; bit < 7; bit++)
    for (let place = size; place < text.length && at < size; place++, at++)
      bytes[at] = text.charCodeAt(at) & 127 | (text.charCodeAt(place) >> bit & 1) << 7;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const formats = {};
function formatted(format, number) {
  const [kind, digits = '0'] = format.split(' ');
  const fixed = {minimumFractionDigits: +digits, maximumFractionDigits: +digits};
  const options = kind === 'short' ? {notation: 'compact', maximumSignificantDigits: 4} : fixed;
  formats[format] ??= new Intl.NumberFormat(undefined, kind === 'percent' ? {style: 'percent', ...fixed} : options);
  return formats[format].format(number);
}
const DASH = '\u2013';
const whole = number => number.toLocaleString();
const textOf = text => text || '(blank)';
const show = (measure, value) =>
  value === null ? DASH : typeof value === 'string' ? textOf(value) : formatted(measure.format, value);
const label = (column, code) => code ? textOf(D.labels[column][code - 1]) : 'unknown';

const nothing = () => Object.fromEntries(Object.keys(D.cubes[0].parts).map(name => [name, 0]));
/* The sums of the selected cells by the codes of `columns`; these columns do not filter themselves. */
function sums(columns) {
  const size = new Set([...D.filters, ...columns]).size, found = new Map();
  const {dimensions, codes, parts} = D.cubes.find(
    cube => cube.dimensions.length === size && columns.every(column => cube.dimensions.includes(column)));
  const tests = [...selected].filter(([column]) => !columns.includes(column));
  for (let cell = 0; cell < parts.n.length; cell++) {
    if (!tests.every(([column, code]) => codes[column][cell] === code)) continue;
    const place = columns.map(column => codes[column][cell]).join();
    if (!found.has(place)) found.set(place, nothing());
    const total = found.get(place);
    for (const name in total) total[name] += parts[name][cell];
  }
  return found;
}
const all = () => sums([]).get('') ?? nothing();
/* The sums by value of a column, within the selection; the column filters too. */
function selectedCodes(column) {
  const found = [...sums([column])].map(([place, total]) => [+place, total]);
  return selected.has(column) ? found.filter(([code]) => code === selected.get(column)) : found;
}

/* A measure of rows whose parts add up to `total`; null where it is not known. */
const rules = {
  count: (m, total) => total.n / m.divisor,
  sum(m, total) {
    const add = kind => m.columns.reduce((sum, column) => sum + total[kind + column], 0);
    return add('count:') ? add('sum:') / m.divisor : null;
  },
  average: ({column, divisor}, total) =>
    total['count:' + column] ? total['sum:' + column] / total['count:' + column] / divisor : null,
  ratio(m, total) {
    const above = measured(m.above, total), below = measured(m.below, total);
    return above === null || !below ? null : above / below / m.divisor;
  },
  share: (m, total) => total[m.whole] ? total[m.part] / total[m.whole] : null,
};
const measured = (name, total) => rules[D.measures[name].kind](D.measures[name], total);

/* A measure of everything that is selected. */
const wholes = {
  'argmax group'(m) {
    const total = all(), numbers = m.labels.map(([text, column]) => [text, total['sum:' + column]]);
    return numbers.reduce((best, found) => found[1] > best[1] ? found : best, [null, 0])[0];
  },
  distinct: m => selectedCodes(m.column).filter(([code, total]) => code && total.n).length / m.divisor,
  'argmax column'(m) {
    const found = selectedCodes(m.column).filter(([code]) => code)
      .map(([code, total]) => [D.labels[m.column][code - 1], measured(m.by, total)]);
    const isMore = (one, other) => one[1] > other[1] || (one[1] === other[1] && one[0] < other[0]);
    return found.filter(([, number]) => number !== null)
      .reduce((best, item) => isMore(item, best) ? item : best, [null, -Infinity])[0];
  },
};
const value = (name, m = D.measures[name]) => wholes[m.kind] ? wholes[m.kind](m) : measured(name, all());
