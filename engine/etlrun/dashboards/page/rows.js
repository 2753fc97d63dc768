/* The table of rows, as dashboards/packed_rows.py packs it: a code for each row and column, 0 for a missing value.
   Rows may be millions, so what touches every row is a plain loop over typed arrays. */
const PAGE = 200;

const everyRow = count => new Uint32Array(count).map((_, row) => row);
/* `rows` in the order of `ranks`, whole numbers from 0 to `most`; rows of one rank stay in their order. */
function ordered(ranks, rows, most) {
  for (let shift = 0; 2 ** shift <= most; shift += 16) {
    const next = new Uint32Array(rows.length), places = new Uint32Array(65537);
    for (let at = 0; at < rows.length; at++) places[(ranks[rows[at]] >>> shift & 65535) + 1]++;
    for (let index = 1; index < 65537; index++) places[index] += places[index - 1];
    for (let at = 0; at < rows.length; at++) next[places[ranks[rows[at]] >>> shift & 65535]++] = rows[at];
    rows = next;
  }
  return rows;
}

/* The columns of a table. A column lies in the order of the rows, or in that of the codes of the filters before it. */
function unpacked(columns) {
  let order = everyRow(columns[0].rows);
  return columns.map((column, index) => {
    const codes = codesOf(column, order), {values, min} = column;
    if (index < D.filters.length) order = ordered(codes, order, 256 ** column.planes - 1);
    const read = column.texts !== undefined ? texts(column)
      : {get: values ? code => values[code - 1] : code => code - 1 + min};
    return {...column, ...read, codes, of: row => codes[row] ? read.get(codes[row]) : null};
  });
}
function codesOf({planes, rows, at, inOrder}, order) {
  const bytes = packed, Kind = [Uint8Array, Uint8Array, Uint16Array, Uint32Array, Uint32Array][planes] ?? Float64Array;
  const laid = new Kind(rows), codes = inOrder ? laid : new Kind(rows);
  for (let plane = 0, factor = 1; plane < planes; plane++, factor *= 256, at += rows)
    for (let row = 0; row < rows; row++) laid[row] += bytes[at + row] * factor;
  if (!inOrder) for (let row = 0; row < rows; row++) codes[order[row]] = laid[row];
  return codes;
}
/* Texts by code, 0 being none, each written as how many bytes it shares with the one before, and the rest. */
function texts({shared, rest, size, texts: count}) {
  const ends = new Uint32Array(count + 1), bytes = new Uint8Array(size), given = packed;
  for (let code = 1, at = 0, from = rest, last = 0; code <= count; code++) {
    const first = at;
    for (let left = given[shared + code - 1]; left; left--) bytes[at++] = bytes[last++];
    do bytes[at++] = given[from]; while (given[from++]);
    ends[code] = at;
    last = first;
  }
  let lower, stops, stop = 0; // all texts at once, and where each ends, for the search
  function found(words) {
    const hits = new Uint8Array(count + 1);
    lower ??= utf8.decode(bytes).toLowerCase();
    stops ??= lower.length === size ? ends : ends.map((_, code) => code && (stop = lower.indexOf('\0', stop) + 1));
    for (let hit = lower.indexOf(words), code = 1; hit >= 0; hit = lower.indexOf(words, stops[code])) {
      while (stops[code] <= hit) code++;
      hits[code] = 1;
    }
    return hits;
  }
  return {found, get: code => utf8.decode(bytes.subarray(ends[code - 1], ends[code] - 1))};
}
/* The rows in the order that a head was clicked for, or that of the card; one without a known value is last. */
function rowOrder(card) {
  const column = card.by !== null && card.data[card.columns[card.by].at], rows = everyRow(card.rows[0].rows);
  const parts = column ? [column] : card.orderedBy.map(index => card.data[index]), isSum = parts.length > 1;
  const sign = (column ? card.up : !card.descending) ? 1 : -1;
  const values = new Float64Array(rows.length), known = new Uint8Array(rows.length);
  for (const {codes, get} of parts)
    for (let row = 0; row < rows.length; row++) if (codes[row]) {
      known[row] = 1;
      values[row] += sign * (isSum ? get(codes[row]) : codes[row]);
    }
  let least = 0, most = 0, isWhole = true;
  for (let row = 0; row < rows.length; row++) {
    least = Math.min(least, values[row]);
    most = Math.max(most, values[row]);
    isWhole &&= Number.isInteger(values[row]);
  }
  const last = most - least + 1;
  if (!isWhole || last >= 2 ** 32) return rows.sort((a, b) => known[b] - known[a] || values[a] - values[b] || a - b);
  const ranks = new Uint32Array(rows.length);
  for (let row = 0; row < rows.length; row++) ranks[row] = known[row] ? values[row] - least : last;
  return ordered(ranks, rows, last);
}
function frame(card) {
  const data = unpacked(card.rows), held = new Uint32Array(card.rows[0].rows);
  Object.assign(card, {by: null, up: true, words: '', from: 0, data, held});
  card.sorted = rowOrder(card);
  const again = from => { card.from = from; fill(card, card.body); };
  const button = (text, click, more) => element('button', {type: 'button', class: 'button', text, click, ...more});
  const words = `search ${card.searched.join(', ')}`;
  const input = element('input', {type: 'search', 'aria-label': words, placeholder: words});
  input.addEventListener('input', () => { card.words = input.value.toLowerCase(); again(0); });
  card.back = button('previous', () => again(card.from - PAGE));
  card.next = button('next', () => again(card.from + PAGE));
  const csv = button('CSV', () => save(card), {'aria-label': 'save the shown rows as CSV'});
  const tools = [...(card.search.length ? [input] : []), csv, card.back, card.next, element('span', {role: 'status'})];
  function sort(index) {
    card.up = card.by === index ? !card.up : !card.columns[index].number;
    card.by = index;
    card.sorted = rowOrder(card);
    again(0);
  }
  const head = ({label: text, number}, index) => element('th', {scope: 'col', class: number && 'number'},
    element('button', {type: 'button', text, 'data-mark': `${card.place} head ${index}`, click: () => sort(index)}));
  const top = element('thead', {}, element('tr', {}, ...card.columns.map(head)));
  const parts = [top, element('tbody'), element('tfoot')];
  return [element('div', {class: 'tools'}, ...tools), scrolled(card, element('table', {class: 'rows'}, ...parts))];
}
function cellText({format, divisor}, raw) {
  if (raw === null) return DASH;
  if (typeof raw !== 'number') return textOf(String(raw));
  return format || divisor !== 1 ? formatted(format || 'decimal 2', raw / divisor) : whole(raw);
}
/* The rows that are selected and found, in order, and sums of their numbers. A mark is 1 for such a row, else 0. */
function foundRows(card) {
  const {sorted, data, held} = card, marks = new Uint8Array(sorted.length).fill(card.words ? 0 : 1);
  for (const index of card.words ? card.search : []) {
    const {codes} = data[index], hits = data[index].found(card.words);
    for (let row = 0; row < marks.length; row++) marks[row] |= hits[codes[row]];
  }
  for (const [column, code] of selected) {
    const {codes} = data[D.filters.indexOf(column)];
    for (let row = 0; row < marks.length; row++) if (codes[row] !== code) marks[row] = 0;
  }
  let count = 0;
  for (let at = 0; at < sorted.length; at++) {
    held[count] = sorted[at];
    count += marks[sorted[at]];
  }
  const rows = held.subarray(0, count);
  return [rows, card.columns.map(({number, at}) => card.totals && number ? summed(data[at], rows) : null)];
}
function summed({codes, min, get}, rows) {
  let sum = 0, known = 0;
  for (let at = 0; at < rows.length; at++) {
    const code = codes[rows[at]];
    known += code ? 1 : 0;
    sum += min === undefined && code ? get(code) : code;
  }
  return sum + known * (min - 1 || 0);
}
function fill(card, body) {
  const chosen = JSON.stringify([...selected]);
  if (card.chosen !== chosen) Object.assign(card, {chosen, from: 0});
  const [rows, totals] = foundRows(card), page = [...rows.subarray(card.from, card.from + PAGE)];
  Object.assign(card, {body, shown: rows});
  const [tools, region] = body.children, count = card.sorted.length;
  const most = count < D.total ? `; the page holds ${whole(count)}: ${card.order}` : '';
  const part = rows.length > PAGE ? `${whole(card.from + 1)} to ${whole(card.from + page.length)} of ` : '';
  const note = `${part}${whole(rows.length)} of ${whole(D.total)} rows${most}.`;
  tools.lastChild.textContent = card.search.length ? `${note} The numbers above do not follow the search.` : note;
  card.back.hidden = card.next.hidden = rows.length <= PAGE;
  card.back.disabled = !card.from;
  card.next.disabled = card.from + PAGE >= rows.length;
  region.querySelectorAll('th').forEach((head, index) =>
    head.setAttribute('aria-sort', card.by !== index ? 'none' : card.up ? 'ascending' : 'descending'));
  const line = texts => element('tr', {}, ...texts.map((text, index) =>
    element('td', {class: card.columns[index].number && 'number', text})));
  const lines = page.map(row => line(card.columns.map(column => cellText(column, card.data[column.at].of(row)))));
  region.querySelector('tbody').replaceChildren(...lines);
  const last = card.columns.map((column, index) => column.number ? cellText(column, totals[index]) : '');
  if (card.totals) region.querySelector('tfoot').replaceChildren(line(last));
}
/* A cell that a spreadsheet would take for a formula gets a quote before it. */
function save(card) {
  const cell = (raw, divisor) => {
    const text = typeof raw === 'number' ? `${raw / divisor}` : (raw ?? '').replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = row => card.columns.map(({at, divisor}) => cell(card.data[at].of(row), divisor));
  const lines = [card.columns.map(column => cell(column.label)), ...Array.from(card.shown, line)];
  const text = '\ufeff' + lines.map(cells => cells.join() + '\r\n').join('');
  element('a', {href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})), download: 'rows.csv'}).click();
  return text;
}
