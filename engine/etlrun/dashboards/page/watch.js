'use strict';
/* The page around a watched dashboard: loads it again when the server has built it again, and shows what is wrong. */
const EVERY = 500; // milliseconds
const frame = document.getElementById('page');
const names = document.getElementById('names');
const problem = document.getElementById('problem');
let shown = ''; // the address of the page in the frame, with its version

function show({versions, problem: text}) {
  problem.hidden = !text;
  if (problem.textContent !== text) problem.textContent = text;
  const all = Object.keys(versions).sort(), asked = location.hash.slice(1);
  const name = all.includes(asked) ? asked : all[0];
  if (!name) return;
  const wanted = `/pages/${name}?${versions[name]}`;
  if (wanted === shown) return;
  const isSame = shown.split('?')[0] === wanted.split('?')[0];
  shown = wanted;
  document.title = name;
  names.replaceChildren(...(all.length > 1 ? all.map(link) : []));
  if (isSame) frame.contentWindow.location.reload();
  else frame.contentWindow.location.replace(`/pages/${name}`);

  function link(other) {
    const made = document.createElement('a');
    made.href = `#${other}`;
    made.textContent = other;
    if (other === name) made.setAttribute('aria-current', 'page');
    return made;
  }
}

async function ask() {
  try {
    show(await (await fetch('/state')).json());
  } catch {
    problem.hidden = false;
    problem.textContent = 'The server has ended. Start it again: etlrun dashboard watch';
  }
}

addEventListener('hashchange', ask);
(async () => {
  for (;;) {
    await ask();
    await new Promise(done => setTimeout(done, EVERY));
  }
})();
