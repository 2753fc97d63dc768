// Finds columns of the project by a part of their name, relation or pipeline; at most 50 are shown.
const { columns, pages } = JSON.parse(document.getElementById('data').textContent);
const box = document.getElementById('search');
const results = document.getElementById('results');
const count = document.getElementById('count');
const texts = columns.map((column) => `${pages[column[0]][0]} ${column[1]} ${column[2]}`.toLowerCase());

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? columns.filter((_, index) => words.every((word) => texts[index].includes(word))) : [];
  results.replaceChildren(...found.slice(0, 50).map(([page, relation, name, type, place]) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `${pages[page][1]}#${place}`;
    link.textContent = `${pages[page][0]}.${relation}.${name}`;
    item.append(link, ` ${type}`);
    return item;
  }));
  count.textContent = words.length ? `${found.length} column${found.length === 1 ? '' : 's'}${found.length > 50 ? ', the first 50 are shown' : ''}` : '';
}

box.addEventListener('input', show);
document.documentElement.dataset.ready = 'yes';
