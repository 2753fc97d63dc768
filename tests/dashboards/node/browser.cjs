/* One Chromium for many tests: node browser.cjs CHROMIUM
   Each line on standard input is [page, method, ...arguments]: a number, and a method of puppeteer's Page, such as goto or keyboard.press.
   Each line on standard output is the answer, {"value": ..} or {"error": ..}. A page is opened at its first use; `messages` gives what
   its console said, `axe` what axe-core finds. */
const path = require('path');
const readline = require('readline');
const modules = process.env.NODE_MODULES;
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = require(path.join(modules, 'axe-core')).source;

const pages = new Map();

async function open(browser, number) {
  if (pages.has(number)) return pages.get(number);
  const page = await browser.newPage();
  page.said = [];
  page.on('console', message => page.said.push(message.text()));
  page.on('pageerror', error => page.said.push(String(error)));
  pages.set(number, page);
  return page;
}

const own = {
  messages: page => page.said,
  async axe(page) {
    await page.evaluate(axe);
    const {violations} = await page.evaluate(() => axe.run());
    const nodes = item => item.nodes.slice(0, 3).map(node => `${node.html} ${node.failureSummary}`).join(' | ');
    return violations.map(item => `${item.id}: ${item.nodes.length}: ${nodes(item)}`);
  },
};

async function answer(browser, [number, method, ...given]) {
  const page = await open(browser, number);
  if (own[method]) return own[method](page, ...given);
  const names = method.split('.'), last = names.pop(), owner = names.reduce((found, name) => found[name], page);
  const value = await owner[last](...given);
  return ['evaluate', 'content', 'title', 'url'].includes(last) ? value : null;
}

async function main(executablePath) {
  const args = ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--disable-background-networking'];
  const browser = await puppeteer.launch({executablePath, args});
  for await (const line of readline.createInterface({input: process.stdin})) {
    let found;
    try {
      found = {value: await answer(browser, JSON.parse(line))};
    } catch (error) {
      found = {error: String(error)};
    }
    process.stdout.write(JSON.stringify(found) + '\n');
  }
  await browser.close();
}
main(...process.argv.slice(2)).catch(error => { console.error(error); process.exit(1); });
