/* The cards of a page. Marks are buttons, so keyboard, screen reader, print and themes are the browser's. */
const redraws = [];

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, given] of Object.entries(options)) {
    if (name === 'text') made.textContent = given;
    else if (name === 'click') made.addEventListener('click', given);
    else if (given !== null && given !== false) made.setAttribute(name, given);
  }
  made.append(...children);
  return made;
}
const scrolled = (card, table) =>
  element('div', {class: 'wide', tabindex: 0, role: 'region', 'aria-label': `${card.title}: table`}, table);

function pick(choices) {
  const isSame = choices.every(([column, code]) => selected.get(column) === code);
  for (const [column, code] of choices) isSame ? selected.delete(column) : selected.set(column, code);
  redraw();
}
function redraw() {
  const focus = document.activeElement?.dataset.mark;
  for (const draw of redraws) draw();
  if (focus) [...document.querySelectorAll('[data-mark]')].find(mark => mark.dataset.mark === focus)?.focus();
}

const draws = {
  kpi(card, body) {
    const m = D.measures[card.measure];
    const name = element('span', {text: m.label, title: m.description});
    body.replaceChildren(name, element('b', {text: show(m, value(card.measure))}));
  },
  bar(card, body) {
    const items = card.keys ? itemsOfKeys(card) : itemsOf(card), more = items.length - card.top;
    body.replaceChildren(bars(card, items.slice(0, card.top)));
    if (more > 0) body.append(element('p', {class: 'more', text: `and ${whole(more)} more`}));
  },
  donut(card, body) {
    const items = itemsOf(card), sum = items.reduce((sum, item) => sum + (item.value ?? 0), 0);
    items.forEach((item, index) => Object.assign(item, {
      share: sum ? (item.value ?? 0) / sum : 0,
      opacity: item.code ? 1 - 0.75 * index / Math.max(1, items.length - 1) : 1,
    }));
    body.replaceChildren(ring(items), bars(card, items));
  },
  flow(card, body) {
    const found = [...sums([card.from, card.to])];
    const values = new Map(found.map(([place, total]) => [place, measured(card.value, total)]));
    const inOrder = index => [...new Set([...values.keys()].map(place => +place.split(',')[index]))]
      .sort((a, b) => (a || Infinity) - (b || Infinity));
    const across = inOrder(1), most = Math.max(1, ...values.values());
    const name = (column, code) => ({text: label(column, code), title: label(column, code)});
    const heads = across.map(to => element('th', {scope: 'col'}, element('span', name(card.to, to))));
    const corner = element('th', {scope: 'col', text: `${card.from} \u2193 ${card.to} \u2192`});
    const rows = inOrder(0).map(from => element('tr', {}, element('th', {scope: 'row', ...name(card.from, from)}),
      ...across.map(to => flowCell(card, from, to, values.get(`${from},${to}`), most))));
    const parts = [element('thead', {}, element('tr', {}, corner, ...heads)), element('tbody', {}, ...rows)];
    body.replaceChildren(scrolled(card, element('table', {}, ...parts)));
  },
  quality(card, body) {
    const line = ({ok, text}) => element('li', {class: ok ? null : 'bad', text: `${ok ? '\u2713' : '!'} ${text}`});
    body.replaceChildren(element('ul', {}, ...D.quality.map(line)));
  },
  table(card, body) {
    if (!packed) return;
    if (!card.data) body.append(...frame(card));
    fill(card, body);
  },
};
function flowCell(card, from, to, number, most) {
  const names = [label(card.from, from), label(card.to, to)];
  const cell = element('td', {class: names[0] === names[1] ? 'same' : null});
  if (!number) return cell;
  const way = names.join(' \u2192 '), text = formatted('short', number);
  const choices = [[card.from, from], [card.to, to]].filter(([column]) => D.filters.includes(column));
  const options = {title: `${way}: ${show(D.measures[card.value], number)}`, text, 'aria-label': `${way}: ${text}`};
  const mark = {type: 'button', click: () => pick(choices), 'data-mark': `${card.place} ${from} ${to}`};
  cell.style.setProperty('--heat', `${Math.round(6 + 44 * Math.sqrt(number / most))}%`);
  cell.append(choices.length ? element('button', {...options, ...mark}) : element('span', {...options, role: 'img'}));
  return cell;
}
/* The values of a column for a bar, largest first, or a donut, in the declared order; a missing value last. */
function itemsOf(card) {
  const items = [...sums([card.of])].map(([place, total]) =>
    ({code: +place, name: label(card.of, +place), value: measured(card.value, total)}));
  const order = card.kind === 'donut' ? () => 0 : (a, b) => (b.value ?? 0) - (a.value ?? 0);
  return items.sort((a, b) => !a.code - !b.code || order(a, b) || a.code - b.code);
}
function itemsOfKeys(card) {
  const tests = [...selected].map(([column, code]) => [D.filters.indexOf(column), code]);
  return card.keys.filter(row => tests.every(([index, code]) => row[index] === code)).slice(0, card.top)
    .map(row => ({name: textOf(row.at(-2)), value: row.at(-1) / D.measures[card.value].divisor}));
}
function bars(card, items) {
  const most = Math.max(...items.map(item => item.value ?? 0), 0) || 1, filters = D.filters.includes(card.of);
  return element('ul', {class: 'bars'}, ...items.map(({code, name, value, share, opacity}) => {
    const isOff = filters && selected.has(card.of) && selected.get(card.of) !== code, length = element('i');
    length.style.width = opacity ? '100%' : `${100 * Math.max(0, value ?? 0) / most}%`;
    length.style.opacity = opacity ?? 1;
    const number = show(D.measures[card.value], value) + (opacity ? ` (${formatted('percent 1', share)})` : '');
    const shown = [element('span', {class: 'name', text: name, title: name}), element('span', {class: 'line'}, length),
      element('span', {class: 'value', text: number})];
    const options = {class: `${code === 0 ? 'unknown' : ''} ${isOff ? 'off' : ''}`};
    const isPressed = selected.get(card.of) === code;
    const mark = {type: 'button', 'aria-pressed': `${isPressed}`, 'data-mark': `${card.place} ${code}`};
    const all = filters ? {...options, ...mark, click: () => pick([[card.of, code]])} : options;
    return element('li', {}, element(filters ? 'button' : 'div', all, ...shown));
  }));
}
function ring(items) {
  const made = element('div', {class: 'ring'});
  let from = 0;
  const slices = items.map(({code, share, opacity}) => {
    const color = `color-mix(in srgb, var(--${code ? 'mark' : 'grey'}) ${100 * opacity}%, var(--card))`;
    return `${color} ${from}turn ${from += share}turn`;
  });
  made.style.background = `conic-gradient(${slices.join() || 'var(--card) 0 1turn'})`;
  return made;
}

function layOut(page) {
  const chips = element('div', {class: 'chips', role: 'status', 'aria-label': 'filters'});
  function chip([column, code]) {
    const name = `${column}: ${label(column, code)}`, click = () => pick([[column, code]]);
    const words = {text: `${name} \u00d7`, 'aria-label': `remove the filter ${name}`};
    return element('button', {type: 'button', class: 'chip', 'data-mark': `chip ${column}`, click, ...words});
  }
  redraws.push(() => chips.replaceChildren(...[...selected].map(chip)));
  page.querySelector('header').append(chips);
  D.page.forEach((cards, row) => {
    const line = element('div', {class: cards.every(card => card.kind === 'kpi') ? 'cards numbers' : 'cards'});
    cards.forEach((card, index) => {
      card.place = `${row}.${index}`;
      const name = card.title || D.measures[card.measure]?.label || 'Last run', body = element('div', {class: 'body'});
      const head = card.kind === 'kpi' ? [] : [element('h2', {text: name})];
      line.append(element('section', {class: `card ${card.kind}`, 'aria-label': name}, ...head, body));
      redraws.push(() => draws[card.kind](card, body));
    });
    page.append(line);
  });
  page.append(element('footer', {text: D.foot}));
}
/* Numbers and marks first; the rows, which may be many, come later in the file. */
async function start() {
  D = JSON.parse(utf8.decode(await inflated('data')));
  layOut(document.getElementById('page'));
  redraw();
  document.documentElement.dataset.ready = 'numbers';
  if (document.readyState === 'loading') await new Promise(done => addEventListener('DOMContentLoaded', done));
  packed = await inflated('rows');
  redraw();
  document.documentElement.dataset.ready = 'yes';
}
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape' || !selected.size) return;
  selected.clear();
  redraw();
});
start();
