'use strict';
/* The code of a dashboard's page. Numbers come from sums of cells (dashboards/cube.py); the rules of each kind of measure are those of
   dashboards/measures.py. Marks are buttons, so keyboard, screen reader, print and themes are the browser's. */
(async () => {
const bytes = Uint8Array.from(atob(document.getElementById('data').textContent), c => c.charCodeAt(0));
const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
const blob = new Uint8Array(await new Response(stream).arrayBuffer()), utf8 = new TextDecoder();
const start = 4 + new DataView(blob.buffer).getUint32(0, true);
const D = JSON.parse(utf8.decode(blob.subarray(4, start)));
const selected = new Map();                       // filter -> code; 0 is a missing value
const page = document.getElementById('page');
const redraws = [];

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === 'text') made.textContent = value;
    else if (name === 'click') made.addEventListener('click', value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/* numbers and labels */
const formats = {};
function formatter(format) {
  if (!formats[format]) {
    const [kind, digits = '0'] = format.split(' ');
    const fixed = {minimumFractionDigits: +digits, maximumFractionDigits: +digits};
    formats[format] = kind === 'short' ? new Intl.NumberFormat(undefined, {notation: 'compact', maximumSignificantDigits: 4})
      : new Intl.NumberFormat(undefined, kind === 'percent' ? {style: 'percent', ...fixed} : fixed);
  }
  return formats[format];
}
const DASH = '\u2013';
const show = (measure, value) => value === null ? DASH : typeof value === 'string' ? value || '(blank)' : formatter(measure.format).format(value);
const label = (column, code) => code ? D.labels[column][code - 1] || '(blank)' : 'unknown';

/* sums */
const cubeOf = columns => D.cubes.find(cube => cube.dimensions.length === new Set([...D.filters, ...columns]).size
  && columns.every(column => cube.dimensions.includes(column)));
function* cellsOf(cube, free) {
  const tests = [...selected].filter(([column]) => !free.includes(column)).map(([column, code]) => [cube.codes[column], code]);
  for (let cell = 0; cell < cube.parts.n.length; cell++)
    if (tests.every(([codes, code]) => codes[cell] === code)) yield cell;
}
/* The sums of the selected cells, by the codes of `columns`; these columns do not filter themselves. */
function sums(columns) {
  const cube = cubeOf(columns), found = new Map();
  for (const cell of cellsOf(cube, columns)) {
    const place = columns.map(column => cube.codes[column][cell]).join();
    if (!found.has(place)) found.set(place, Object.fromEntries(Object.keys(cube.parts).map(name => [name, 0])));
    const total = found.get(place);
    for (const name in total) total[name] += cube.parts[name][cell];
  }
  return found;
}
const NOTHING = Object.fromEntries(Object.keys(D.cubes[0].parts).map(name => [name, 0]));
const all = () => {
  const found = {...NOTHING};
  for (const cell of cellsOf(D.cubes[0], [])) for (const name in found) found[name] += D.cubes[0].parts[name][cell];
  return found;
};
/* A measure of rows whose parts add up to `total`; null where it is not known. */
function measured(name, total) {
  const m = D.measures[name];
  if (m.kind === 'count') return total.n / m.divisor;
  if (m.kind === 'sum') {
    const known = m.columns.reduce((sum, column) => sum + total['count:' + column], 0);
    return known ? m.columns.reduce((sum, column) => sum + total['sum:' + column], 0) / m.divisor : null;
  }
  if (m.kind === 'average') return total['count:' + m.column] ? total['sum:' + m.column] / total['count:' + m.column] / m.divisor : null;
  if (m.kind === 'ratio') {
    const above = measured(m.above, total), below = measured(m.below, total);
    return above === null || !below ? null : above / below / m.divisor;
  }
  if (m.kind === 'share') return total[m.whole] ? total[m.part] / total[m.whole] : null;
  return null;
}
/* A measure of everything that is selected. */
function value(name) {
  const m = D.measures[name];
  if (m.kind === 'argmax group') {
    const total = all();
    const best = m.labels.reduce((found, [text, column]) => total['sum:' + column] > found[1] ? [text, total['sum:' + column]] : found, [null, 0]);
    return best[0];
  }
  if (m.kind === 'distinct') return [...selectedCodes(m.column)].filter(([code, total]) => code && total.n).length / m.divisor;
  if (m.kind !== 'argmax column') return measured(name, all());
  let best = null;
  for (const [code, total] of selectedCodes(m.column)) {
    const found = code ? measured(m.by, total) : null, text = code && D.labels[m.column][code - 1];
    if (found !== null && (!best || found > best[0] || (found === best[0] && text < best[1]))) best = [found, text];
  }
  return best && best[1];
}
/* The sums by value of a column, within the selection; the column filters too. */
function selectedCodes(column) {
  const found = [...sums([column])].map(([place, total]) => [+place, total]);
  return selected.has(column) ? found.filter(([code]) => code === selected.get(column)) : found;
}

/* selection */
function pick(choices) {
  const same = choices.every(([column, code]) => selected.get(column) === code);
  for (const [column, code] of choices) same ? selected.delete(column) : selected.set(column, code);
  redraw();
}
function redraw() {
  const focus = document.activeElement && document.activeElement.dataset.mark;
  for (const draw of redraws) draw();
  const again = focus && [...document.querySelectorAll('[data-mark]')].find(mark => mark.dataset.mark === focus);
  if (again) again.focus();
}
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && selected.size) { selected.clear(); redraw(); }
});

/* cards */
const draws = {
  kpi(card, body) {
    const m = D.measures[card.measure];
    body.replaceChildren(element('span', {text: m.label, title: m.description || null}), element('b', {text: show(m, value(card.measure))}));
  },
  bar(card, body) {
    let items;
    if (card.keys) {
      const place = D.filters.length, tests = [...selected].map(([column, code]) => [D.filters.indexOf(column), code]);
      items = card.keys.filter(row => tests.every(([index, code]) => row[index] === code)).slice(0, card.top)
        .map(row => ({name: row[place] || '(blank)', value: row[place + 1] / D.measures[card.value].divisor}));
    } else items = itemsOf(card);
    const hidden = card.top && items.length > card.top ? items.length - card.top : 0;
    body.replaceChildren(bars(card, hidden ? items.slice(0, card.top) : items));
    if (hidden) body.append(element('p', {class: 'more', text: `and ${hidden.toLocaleString()} more`}));
  },
  donut(card, body) {
    const items = itemsOf(card), whole = items.reduce((sum, item) => sum + (item.value || 0), 0);
    for (const item of items) item.share = whole ? (item.value || 0) / whole : 0;
    body.replaceChildren(element('div', {class: 'donut'}, ring(items), bars(card, items)));
  },
  flow(card, body) {
    const found = sums([card.from, card.to]), m = D.measures[card.value];
    const codes = index => [...new Set([...found.keys()].map(place => +place.split(',')[index]))].sort((a, b) => (a || 1e9) - (b || 1e9));
    const lines = codes(0), across = codes(1), values = new Map([...found].map(([place, total]) => [place, measured(card.value, total)]));
    const most = Math.max(1, ...values.values());
    const head = element('tr', {}, element('th', {scope: 'col', text: `${card.from} \u2193 ${card.to} \u2192`}),
      ...across.map(code => element('th', {scope: 'col'}, element('span', {text: label(card.to, code)}))));
    const rows = lines.map(from => element('tr', {}, element('th', {scope: 'row', text: label(card.from, from)}), ...across.map(to => {
      const number = values.get(`${from},${to}`), cell = element('td', {class: label(card.from, from) === label(card.to, to) ? 'same' : null});
      if (!number) return cell;
      const words = `${label(card.from, from)} \u2192 ${label(card.to, to)}: ${show(m, number)}`;
      const choices = [[card.from, from], [card.to, to]].filter(([column]) => D.filters.includes(column));
      const mark = element(choices.length ? 'button' : 'span', {title: words, 'aria-label': words, 'data-mark': `${card.place} ${from} ${to}`, text: formatter('short').format(number)});
      if (choices.length) { mark.type = 'button'; mark.addEventListener('click', () => pick(choices)); }
      cell.style.setProperty('--heat', `${Math.round(6 + 44 * Math.sqrt(number / most))}%`);
      cell.append(mark);
      return cell;
    })));
    body.replaceChildren(element('div', {class: 'wide', tabindex: 0, role: 'region', 'aria-label': `${card.title}: table`}, element('table', {class: 'flow'}, element('thead', {}, head), element('tbody', {}, ...rows))));
  },
  quality(card, body) {
    body.replaceChildren(element('ul', {}, ...D.quality.map(item => element('li', {class: item.ok ? null : 'bad', text: (item.ok ? '\u2713 ' : '! ') + item.text}))));
  },
  table(card, body) {
    if (!body.firstChild) body.append(...frame(card));
    fill(card, body);
  },
};
/* The items of a bar or donut: values of a column, largest first; in the declared order for a donut; a missing value last. */
function itemsOf(card) {
  const items = [...sums([card.of])].map(([place, total]) => ({code: +place, name: label(card.of, +place), value: measured(card.value, total)}));
  return items.sort((a, b) => (a.code ? 0 : 1) - (b.code ? 0 : 1) || (card.kind === 'donut' ? a.code - b.code : (b.value || 0) - (a.value || 0) || a.code - b.code));
}
function bars(card, items) {
  const m = D.measures[card.value], most = Math.max(...items.map(item => item.value || 0), 0) || 1, filters = D.filters.includes(card.of);
  return element('ul', {class: 'bars'}, ...items.map(item => {
    const chosen = selected.get(card.of), mark = element(filters ? 'button' : 'div', {'data-mark': `${card.place} ${item.code}`});
    if (filters) {
      mark.type = 'button';
      mark.setAttribute('aria-pressed', chosen === item.code);
      mark.addEventListener('click', () => pick([[card.of, item.code]]));
    }
    mark.className = [item.code === 0 ? 'unknown' : '', chosen !== undefined && chosen !== item.code && filters ? 'off' : ''].join(' ').trim();
    const length = element('i');
    length.style.width = `${100 * Math.max(0, item.value || 0) / most}%`;
    const words = show(m, item.value) + (item.share === undefined ? '' : ` (${formatter('percent 1').format(item.share)})`);
    mark.append(element('span', {class: 'name', text: item.name, title: item.name}), element('span', {class: 'line'}, length), element('span', {class: 'value', text: words}));
    return element('li', {}, mark);
  }));
}
function ring(items) {
  const space = 'http://www.w3.org/2000/svg', made = document.createElementNS(space, 'svg');
  made.setAttribute('viewBox', '-1 -1 2 2');
  made.setAttribute('aria-hidden', 'true');
  const at = (radius, angle) => `${radius * Math.cos(angle)} ${radius * Math.sin(angle)}`;
  let angle = -Math.PI / 2;
  items.forEach((item, index) => {
    const end = angle + Math.min(item.share, 0.99999) * 2 * Math.PI, large = item.share > 0.5 ? 1 : 0, slice = document.createElementNS(space, 'path');
    slice.setAttribute('d', `M${at(1, angle)}A1 1 0 ${large} 1 ${at(1, end)}L${at(0.6, end)}A0.6 0.6 0 ${large} 0 ${at(0.6, angle)}Z`);
    slice.style.fillOpacity = item.code ? Math.max(0.25, 1 - index * 0.22) : 1;
    if (!item.code) slice.setAttribute('class', 'unknown');
    made.append(slice);
    angle = end;
  });
  return made;
}

/* the table of rows: codes by column, 0 for a missing value, as dashboards/packed_rows.py packs them */
const PAGE = 1000;
function unpacked(column) {
  const codes = new (column.planes < 5 ? Uint32Array : Float64Array)(column.rows);
  for (let plane = 0, factor = 1, at = start + column.at; plane < column.planes; plane++, factor *= 256)
    for (let row = 0; row < column.rows; row++) codes[row] += blob[at++] * factor;
  let values = column.values;
  if (column.texts !== undefined) {
    let last = '';
    const from = start + column.rest, rests = utf8.decode(blob.subarray(from, from + column.size)).split('\0');
    values = column.texts ? rests.map((rest, index) => last = last.slice(0, blob[start + column.shared + index]) + rest) : [];
  }
  return {codes, values, get: row => !codes[row] ? null : values ? values[codes[row] - 1] : codes[row] - 1 + column.min};
}
/* The rows in the order of whole numbers from 0 on, by one sort of numbers where they fit. */
function ordered(ranks) {
  const count = ranks.length, most = ranks.reduce((a, b) => Math.max(a, b), 0);
  if (most * count < 2 ** 53) return Uint32Array.from(Float64Array.from(ranks, (rank, row) => rank * count + row).sort(), key => key % count);
  return Uint32Array.from(ranks, (_, row) => row).sort((a, b) => ranks[a] - ranks[b] || a - b);
}
function rowOrder(card) {
  const column = card.by !== null && card.data[card.columns[card.by].at];
  if (!column && !card.orderedBy.length) return Uint32Array.from({length: card.rows[0].rows}, (_, row) => row);
  const parts = column ? [column] : card.orderedBy.map(index => card.data[index]), single = parts.length === 1;
  const values = Float64Array.from(parts[0].codes, (code, row) => single ? code : parts.reduce((sum, part) => sum + (part.get(row) ?? 0), 0));
  const up = column ? card.up : !card.descending, most = values.reduce((a, b) => Math.max(a, b), 0), least = values.reduce((a, b) => Math.min(a, b), 0);
  return ordered(values.map(value => single && !value ? most + 1 : up ? value - least : most - value));
}
function frame(card) {
  Object.assign(card, {by: null, up: true, words: '', from: 0, data: card.rows.map(unpacked)});
  card.sorted = rowOrder(card);
  const input = element('input', {type: 'search', 'aria-label': `search ${card.searched.join(', ')}`, placeholder: `search ${card.searched.join(', ')}`});
  input.addEventListener('input', () => { card.words = input.value.toLowerCase(); again(0); });
  const again = from => { card.from = from; fill(card, card.body); };
  const step = (text, by) => element('button', {type: 'button', class: 'button', text, click: () => again(card.from + by)});
  const tools = element('div', {class: 'tools'}, ...(card.search.length ? [input] : []),
    element('button', {type: 'button', class: 'button', text: 'CSV', 'aria-label': 'save the shown rows as CSV', click: () => save(card)}),
    card.back = step('previous', -PAGE), card.next = step('next', PAGE), element('span', {role: 'status'}));
  const sort = index => { card.up = card.by === index ? !card.up : !card.columns[index].number; card.by = index; card.sorted = rowOrder(card); again(0); };
  const heads = card.columns.map((column, index) => element('th', {scope: 'col', class: column.number ? 'number' : null},
    element('button', {type: 'button', text: column.label, 'data-mark': `${card.place} head ${index}`, click: () => sort(index)})));
  return [tools, element('div', {class: 'wide rows', tabindex: 0, role: 'region', 'aria-label': `${card.title}: table`},
    element('table', {}, element('thead', {}, element('tr', {}, ...heads)), element('tbody'), element('tfoot')))];
}
function cellText(column, raw) {
  if (raw === null) return DASH;
  if (typeof raw !== 'number') return String(raw) || '(blank)';
  return column.format || column.divisor !== 1 ? formatter(column.format || 'decimal 2').format(raw / column.divisor) : raw.toLocaleString();
}
/* The rows that are selected and found, in their order. */
function foundRows(card) {
  const tests = [...selected].map(([column, code]) => [card.data[D.filters.indexOf(column)], code]);
  const hits = card.words ? card.search.map(index => [card.data[index].codes, Uint8Array.from([null, ...card.data[index].values],
    text => text !== null && String(text).toLowerCase().includes(card.words) ? 1 : 0)]) : [];
  return card.sorted.filter(row => tests.every(([column, code]) => column.get(row) === code) && (!hits.length || hits.some(([codes, hit]) => hit[codes[row]])));
}
function fill(card, body) {
  const chosen = JSON.stringify([...selected]);
  if (card.chosen !== chosen) { card.chosen = chosen; card.from = 0; }
  card.body = body;
  const rows = card.shown = foundRows(card), count = card.rows[0].rows, page = [...rows.subarray(card.from, card.from + PAGE)];
  const [tools, region] = body.children, kept = count < D.total ? `; the page holds ${count.toLocaleString()}, ${card.order}` : '';
  const part = rows.length > PAGE ? `${(card.from + 1).toLocaleString()} to ${(card.from + page.length).toLocaleString()} of ` : '';
  tools.lastChild.textContent = `${part}${rows.length.toLocaleString()} of ${D.total.toLocaleString()} rows${kept}. The numbers above do not follow the search.`;
  card.back.hidden = card.next.hidden = rows.length <= PAGE;
  card.back.disabled = !card.from;
  card.next.disabled = card.from + PAGE >= rows.length;
  region.querySelectorAll('th').forEach((head, index) => head.setAttribute('aria-sort', card.by !== index ? 'none' : card.up ? 'ascending' : 'descending'));
  const line = (cell) => element('tr', {}, ...card.columns.map((column, index) => element('td', {class: column.number ? 'number' : null, text: cell(column, card.data[column.at], index)})));
  region.querySelector('tbody').replaceChildren(...page.map(row => line((column, data) => cellText(column, data.get(row)))));
  if (card.totals) region.querySelector('tfoot').replaceChildren(line((column, data, index) => column.number ? cellText(column, rows.reduce((sum, row) => sum + (data.get(row) ?? 0), 0))
    : index ? '' : `${rows.length.toLocaleString()} shown rows`));
}
/* A cell that a spreadsheet would take for a formula gets a quote before it. */
function save(card) {
  const cell = raw => {
    let text = raw === null ? '' : String(raw);
    if (typeof raw === 'string' && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [card.columns.map(column => cell(column.label))];
  for (const row of card.shown) lines.push(card.columns.map(column => {
    const raw = card.data[column.at].get(row);
    return cell(typeof raw === 'number' ? raw / column.divisor : raw);
  }));
  const text = '\ufeff' + lines.map(line => line.join(',')).join('\r\n') + '\r\n';
  element('a', {href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})), download: 'rows.csv'}).click();
  return text;
}

/* layout */
const chips = element('div', {class: 'chips', role: 'status', 'aria-label': 'filters'});
redraws.push(() => chips.replaceChildren(...[...selected].map(([column, code]) => element('button', {type: 'button', class: 'chip', 'data-mark': `chip ${column}`,
  text: `${column}: ${label(column, code)} \u00d7`, 'aria-label': `remove the filter ${column}: ${label(column, code)}`, click: () => pick([[column, code]])}))));
page.append(chips);
D.page.forEach((cards, row) => {
  const line = element('div', {class: cards.every(card => card.kind === 'kpi') ? 'line numbers' : 'line'});
  cards.forEach((card, index) => {
    card.place = `${row}.${index}`;
    const body = element('div', {class: 'body'}), title = card.title || (card.kind === 'quality' ? 'Last run' : '');
    line.append(element('section', {class: `card ${card.kind}`, 'aria-label': title || D.measures[card.measure].label}, ...(title ? [element('h2', {text: title})] : []), body));
    redraws.push(() => draws[card.kind](card, body));
  });
  page.append(line);
});
page.append(element('footer', {text: D.foot}));
redraw();
window.dashboard = {save, value, pick, sums, measured, selected, redraw, data: D};
document.documentElement.dataset.ready = 'yes';
})();
