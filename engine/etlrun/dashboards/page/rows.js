/* The table of rows, as dashboards/packed_rows.py packs it: a code for each row and column, 0 for a missing value. */
const PAGE = 200;
let packed; // bytes

/* `rows` in the order of `ranks`, whole numbers from 0 on; rows of one rank stay in their order. */
function ordered(ranks, rows) {
  const most = ranks.reduce((a, b) => Math.max(a, b), 0);
  for (let size = 1; size <= most; size *= 65536) {
    const next = new Uint32Array(rows.length), places = new Uint32Array(65537);
    const digit = size === 1 && most < 65536 ? rank => rank : rank => Math.floor(rank / size) % 65536;
    for (const row of rows) places[digit(ranks[row]) + 1]++;
    for (let index = 1; index < 65537; index++) places[index] += places[index - 1];
    for (const row of rows) next[places[digit(ranks[row])]++] = row;
    rows = next;
  }
  return rows;
}
const everyRow = count => Uint32Array.from({length: count}, (_, row) => row);

/* The columns of a table. A column lies in the order of the rows, or in that of the codes of the filters before it. */
function unpacked(columns) {
  let order = everyRow(columns[0].rows);
  return columns.map((column, index) => {
    const codes = new (column.planes < 5 ? Uint32Array : Float64Array)(column.rows);
    for (let plane = 0, factor = 1, at = column.at; plane < column.planes; plane++, factor *= 256)
      if (column.inOrder) for (let row = 0; row < codes.length; row++) codes[row] += packed[at++] * factor;
      else for (const row of order) codes[row] += packed[at++] * factor;
    if (index < D.filters.length) order = ordered(codes, order);
    const got = column.texts !== undefined ? texts(column) : column.values ? {get: code => column.values[code - 1]}
      : {get: code => code - 1 + column.min};
    return {codes, ...got, of: row => codes[row] ? got.get(codes[row]) : null};
  });
}
/* Texts by code, 0 being none, each written as how many bytes it shares with the one before, and the rest. */
function texts({shared, rest, size, texts: count}) {
  const ends = new Uint32Array(count + 1), bytes = new Uint8Array(size);
  for (let code = 1, at = 0, from = rest, last = 0; code <= count; code++) {
    const first = at;
    for (let left = packed[shared + code - 1]; left; left--) bytes[at++] = bytes[last++];
    do bytes[at++] = packed[from]; while (packed[from++]);
    ends[code] = at;
    last = first;
  }
  const get = code => utf8.decode(bytes.subarray(ends[code - 1], ends[code] - 1));
  let lower; // all texts at once, for the search
  function found(words) {
    const hits = new Uint8Array(count + 1);
    lower ??= utf8.decode(bytes).toLowerCase();
    let code = 1, end = lower.indexOf('\0');
    for (let hit = lower.indexOf(words); hit >= 0; hit = lower.indexOf(words, end)) {
      for (; end < hit; code++) end = lower.indexOf('\0', end + 1);
      hits[code] = 1;
    }
    return hits;
  }
  return {get, found};
}
/* The rows in the order that a head was clicked for, or that of the card. */
function rowOrder(card) {
  const column = card.by !== null && card.data[card.columns[card.by].at], rows = everyRow(card.rows[0].rows);
  if (!column && !card.orderedBy.length) return rows;
  const parts = column ? [column] : card.orderedBy.map(index => card.data[index]);
  const up = column ? card.up : !card.descending;
  const isOne = parts.length === 1, sum = row => parts.reduce((sum, part) => sum + (part.of(row) ?? 0), 0);
  const values = Float64Array.from(rows, isOne ? row => parts[0].codes[row] : sum);
  const [least, most] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [0, 0]);
  const ranks = values.map(value => isOne && !value ? most + 1 : up ? value - least : most - value);
  return ranks.every(Number.isInteger) ? ordered(ranks, rows) : rows.sort((a, b) => ranks[a] - ranks[b] || a - b);
}
function frame(card) {
  Object.assign(card, {by: null, up: true, words: '', from: 0, data: unpacked(card.rows)});
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
  function head({label: text, number}, index) {
    const mark = {'data-mark': `${card.place} head ${index}`, click: () => sort(index)};
    const name = element('button', {type: 'button', text, ...mark});
    return element('th', {scope: 'col', class: number && 'number'}, name);
  }
  const top = element('thead', {}, element('tr', {}, ...card.columns.map(head)));
  const parts = [top, element('tbody'), element('tfoot')];
  return [element('div', {class: 'tools'}, ...tools), scrolled(card, element('table', {class: 'rows'}, ...parts))];
}
function cellText({format, divisor}, raw) {
  if (raw === null) return DASH;
  if (typeof raw !== 'number') return textOf(String(raw));
  return format || divisor !== 1 ? formatted(format || 'decimal 2', raw / divisor) : whole(raw);
}
/* The rows that are selected and found, in their order, and the sums of their numbers. */
function foundRows(card) {
  const kept = new Uint8Array(card.sorted.length).fill(1);
  const keep = test => { for (let row = 0; row < kept.length; row++) if (!test(row)) kept[row] = 0; };
  for (const [column, code] of selected) {
    const {codes} = card.data[D.filters.indexOf(column)];
    keep(row => codes[row] === code);
  }
  const searched = card.words ? card.search.map(index => card.data[index]) : [];
  const hits = searched.map(({codes, found}) => [codes, found(card.words)]);
  if (hits.length) keep(row => hits.some(([codes, hit]) => hit[codes[row]]));
  function add({codes, get}) {
    let sum = 0;
    for (let row = 0; row < kept.length; row++) if (kept[row] && codes[row]) sum += get(codes[row]);
    return sum;
  }
  const totals = card.columns.map(column => card.totals && column.number ? add(card.data[column.at]) : null);
  return [card.sorted.filter(row => kept[row]), totals];
}
function fill(card, body) {
  const chosen = JSON.stringify([...selected]);
  if (card.chosen !== chosen) Object.assign(card, {chosen, from: 0});
  const [rows, totals] = foundRows(card), page = [...rows.subarray(card.from, card.from + PAGE)];
  Object.assign(card, {body, shown: rows});
  const [tools, region] = body.children, count = card.sorted.length;
  const held = count < D.total ? `; the page holds ${whole(count)}: ${card.order}` : '';
  const part = rows.length > PAGE ? `${whole(card.from + 1)} to ${whole(card.from + page.length)} of ` : '';
  const note = `${part}${whole(rows.length)} of ${whole(D.total)} rows${held}.`;
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
  const cell = raw => {
    const text = raw === null ? '' : typeof raw === 'string' && /^[=+\-@\t\r]/.test(raw) ? `'${raw}` : String(raw);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const values = row => card.columns.map(({at, divisor}) => [card.data[at].of(row), divisor]);
  const number = ([raw, divisor]) => cell(typeof raw === 'number' ? raw / divisor : raw);
  const line = row => values(row).map(number).join(',');
  const head = card.columns.map(column => cell(column.label)).join(',');
  const text = '\ufeff' + [head, ...Array.from(card.shown, line)].join('\r\n') + '\r\n';
  element('a', {href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})), download: 'rows.csv'}).click();
  return text;
}
