// Finds columns of the project by a part of their name, relation or pipeline; at most 50 are shown. `/` goes to the box, Enter to the first one.
const { columns, pipelines } = JSON.parse(document.getElementById('data').textContent);
const box = document.getElementById('search');
const results = document.getElementById('results');
const count = document.getElementById('count');
const texts = columns.map((column) => `${pipelines[column[0]]} ${column[1]} ${column[2]}`.toLowerCase());

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? columns.filter((_, index) => words.every((word) => texts[index].includes(word))) : [];
  results.replaceChildren(...found.slice(0, 50).map(([pipeline, relation, name, type, address]) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `columns/${address}.html`;
    link.textContent = `${pipelines[pipeline]}.${relation}.${name}`;
    item.append(link, ` ${type}`);
    return item;
  }));
  count.textContent = words.length ? `${found.length} column${found.length === 1 ? '' : 's'}${found.length > 50 ? ', the first 50 are shown' : ''}` : '';
}

box.addEventListener('input', show);
box.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') results.querySelector('a')?.click();
  if (event.key === 'Escape') { box.value = ''; show(); }
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== box) { event.preventDefault(); box.focus(); }
});
document.documentElement.dataset.ready = 'yes';
