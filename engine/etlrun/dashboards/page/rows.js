/* The table of rows, as dashboards/packed_rows.py packs it: a code for each row and column, 0 for a missing value.
   Rows may be millions, so what touches every row is a plain loop over typed arrays. */
const PAGE = 100;
const everyRow = count => new Uint32Array(count).map((_, row) => row);
/* All `rows` in the order of `ranks`, whole numbers from 0 to `most`; rows of one rank stay in their order. */
function ordered(ranks, most, rows) {
  let keys = rows.map(row => ranks[row]); // carried along: to look them up by row takes twice as long
  for (let shift = 0; 2 ** shift <= most; shift += 11) {
    const held = keys, from = rows, places = new Uint32Array(2049);
    [keys, rows] = [new Uint32Array(from.length), new Uint32Array(from.length)];
    for (let at = 0; at < from.length; at++) places[(held[at] >>> shift & 2047) + 1]++;
    for (let index = 1; index < 2049; index++) places[index] += places[index - 1];
    for (let at = 0; at < from.length; at++) {
      const place = places[held[at] >>> shift & 2047]++;
      keys[place] = held[at];
      rows[place] = from[at];
    }
  }
  return rows;
}

/* The columns of a table. A column lies in the order of the rows, or in that of the codes of the filters before it. */
function unpacked(columns) {
  let order = everyRow(columns[0].rows);
  return columns.map((column, index) => {
    const codes = codesOf(column, order), {values, min, most} = column;
    if (index < D.filters.length) order = ordered(codes, most, order);
    const read = column.texts !== undefined ? texts(column)
      : {get: values ? code => values[code - 1] : code => code - 1 + min};
    return {...column, ...read, codes, of: row => codes[row] ? read.get(codes[row]) : null};
  });
}
function codesOf({planes, rows, at, inOrder}, order) {
  const bytes = packed, Kind = planes < 2 ? Uint8Array : planes < 5 ? Uint32Array : Float64Array;
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
/* The sum of columns, NaN where no addend is known, as `rowOrder` takes it. */
function sumOf(columns, rows) {
  const codes = new Float64Array(rows).fill(NaN);
  for (const {codes: addends, values, min} of columns)
    for (let row = 0; row < codes.length; row++) {
      const code = addends[row];
      if (code) codes[row] = (codes[row] || 0) + (values ? values[code - 1] : code - 1 + min);
    }
  const least = codes.reduce((best, sum) => sum < best ? sum : best, Infinity);
  const most = codes.reduce((best, sum) => sum > best ? sum : best, -Infinity);
  return {codes, least, most: codes.some(sum => sum > Math.floor(sum)) ? Infinity : most};
}
/* The rows in the order of a column; one without a known value is last. */
function rowOrder({codes, least = 1, most}, isUp) {
  const rows = everyRow(codes.length), last = most - least + 1, ranks = new Uint32Array(rows.length);
  const value = row => codes[row] >= least ? (isUp ? codes[row] : -codes[row]) : Infinity;
  if (last >= 2 ** 32) return rows.sort((a, b) => value(a) - value(b) || a - b);
  for (let row = 0; row < rows.length; row++)
    ranks[row] = codes[row] >= least ? isUp ? codes[row] - least : most - codes[row] : last;
  return ordered(ranks, last, rows);
}
function frame(card) {
  const data = unpacked(card.rows), order = card.orderedBy.map(index => data[index]);
  Object.assign(card, {by: null, up: true, words: '', from: 0, data});
  card.sorted = rowOrder(sumOf(order, data[0].rows), !card.descending);
  const again = from => { card.from = from; fill(card, card.body); };
  const button = (text, click, more) => element('button', {type: 'button', class: 'button', text, click, ...more});
  const words = `search ${card.searched.join(', ')}`;
  const input = element('input', {type: 'search', 'aria-label': words, placeholder: words});
  input.addEventListener('focus', () => card.search.forEach(index => data[index].found('\0\0'))); // what comes first
  input.addEventListener('input', () => { card.words = input.value.toLowerCase(); again(0); });
  card.back = button('previous', () => again(card.from - PAGE));
  card.next = button('next', () => again(card.from + PAGE));
  const csv = button('CSV', () => save(card), {'aria-label': 'save the shown rows as CSV'});
  const tools = [...(card.search.length ? [input] : []), csv, card.back, card.next, element('span', {role: 'status'})];
  function sort(index) {
    Object.assign(card, {by: index, up: card.by === index ? !card.up : !card.columns[index].number});
    card.sorted = rowOrder(data[card.columns[index].at], card.up);
    again(0);
  }
  const head = ({label: text, number}, index) => element('th',
    {scope: 'col', class: number && 'number', 'data-label': text},
    element('button', {type: 'button', text, 'data-mark': `${card.place} head ${index}`, click: () => sort(index)}));
  const top = element('thead', {}, element('tr', {}, ...card.columns.map(head)));
  const table = element('table', {class: 'rows'}, top, element('tbody'), element('tfoot'));
  return [element('div', {class: 'tools'}, ...tools), scrolled(card, table)];
}
function cellText({format, divisor}, raw) {
  if (raw === null) return DASH;
  if (typeof raw !== 'number') return textOf(String(raw));
  return format || divisor !== 1 ? formatted(format || 'decimal 2', raw / divisor) : whole(raw);
}
/* The rows that are selected and found, a mark for each, and sums of their numbers. */
function found({words, search, columns, totals, data, sorted}) {
  const marks = new Uint8Array(sorted.length).fill(words ? 0 : 1), rows = new Uint32Array(sorted.length + 1);
  for (const index of words ? search : []) {
    const {codes} = data[index], hits = data[index].found(words);
    for (let row = 0; row < marks.length; row++) marks[row] |= hits[codes[row]];
  }
  for (const [column, code] of selected) {
    const {codes, most} = data[D.filters.indexOf(column)], hits = new Uint8Array(most + 1).fill(1, code, code + 1);
    for (let row = 0; row < marks.length; row++) marks[row] &= hits[codes[row]];
  }
  let count = 0;
  for (let row = 0; row < marks.length; row++) {
    rows[count] = row;
    count += marks[row];
  }
  const sums = columns.map(({number, at}) => totals && number ? total(data[at], rows.subarray(0, count)) : null);
  return {marks, count, sums};
}
function total({codes, min, values}, rows) {
  let sum = 0, known = 0;
  for (let at = 0; at < rows.length; at++) {
    const code = codes[rows[at]];
    if (!code) continue;
    sum += values ? values[code - 1] : code;
    known++;
  }
  return values ? sum : sum + known * (min - 1);
}
function fill(card, body) {
  const changed = JSON.stringify([...selected, card.words]), page = [];
  if (card.changed !== changed) Object.assign(card, {changed, body, from: 0, ...found(card)});
  const {sorted, marks, from, count} = card, to = Math.min(from + PAGE, count);
  for (let at = 0, seen = 0; seen < to; at++)
    if (marks[sorted[at]] && seen++ >= from) page.push(sorted[at]);
  const [tools, region] = body.children, held = sorted.length;
  const most = held < D.total ? `; the page holds ${whole(held)}: ${card.order}` : '';
  const part = count > PAGE ? `${whole(from + 1)} to ${whole(to)} of ` : '';
  const note = `${part}${whole(count)} of ${whole(D.total)} rows${most}.`;
  tools.lastChild.textContent = card.search.length ? `${note} The numbers above do not follow the search.` : note;
  card.back.hidden = card.next.hidden = count <= PAGE;
  card.back.disabled = !from;
  card.next.disabled = to === count;
  region.querySelectorAll('th').forEach((head, index) =>
    head.setAttribute('aria-sort', card.by !== index ? 'none' : card.up ? 'ascending' : 'descending'));
  const line = texts => element('tr', {}, ...texts.map((text, index) =>
    element('td', {class: card.columns[index].number && 'number', text})));
  const lines = page.map(row => line(card.columns.map(column => cellText(column, card.data[column.at].of(row)))));
  region.querySelector('tbody').replaceChildren(...lines);
  const last = card.columns.map((column, index) => column.number ? cellText(column, card.sums[index]) : '');
  if (card.totals) region.querySelector('tfoot').replaceChildren(line(last));
}
/* A cell that a spreadsheet would take for a formula gets a quote before it. */
function save(card) {
  const cell = (raw, divisor) => {
    const text = typeof raw === 'number' ? `${raw / divisor}` : (raw ?? '').replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = row => card.columns.map(({at, divisor}) => cell(card.data[at].of(row), divisor));
  const rows = card.sorted.filter(row => card.marks[row]);
  const lines = [card.columns.map(column => cell(column.label)), ...Array.from(rows, line)];
  const text = '\ufeff' + lines.map(cells => cells.join() + '\r\n').join('');
  element('a', {href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})), download: 'rows.csv'}).click();
  return text;
}
