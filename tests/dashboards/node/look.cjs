/* Opens a page in Chromium and tells what a person would meet: node look.cjs CHROMIUM PAGE [FOLDER FOR PICTURES]
   One JSON object on standard output: faults that axe-core finds in light and dark, what Tab reaches, where the focus is after Enter,
   and what the console said. */
const path = require('path');
const modules = process.env.NODE_MODULES;
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = require(path.join(modules, 'axe-core')).source;

async function main(executablePath, file, folder) {
  const browser = await puppeteer.launch({executablePath, args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb']});
  const page = await browser.newPage(), said = [], found = {};
  page.on('console', message => said.push(message.text()));
  page.on('pageerror', error => said.push(String(error)));
  await page.setViewport({width: 1280, height: 900});
  const open = async () => {
    await page.goto('file://' + path.resolve(file));
    await page.waitForSelector('html[data-ready]');
  };
  await open();
  found.marks = await page.$$eval('button[data-mark]', marks => marks.length);
  const seen = new Set();
  for (let steps = 0, first = null; steps < 5000; steps++) {
    await page.keyboard.press('Tab');
    const mark = await page.evaluate(() => [document.activeElement.dataset.mark, document.activeElement === document.body]);
    if (mark[1]) break;
    if (mark[0]) seen.add(mark[0]);
  }
  found.reached = seen.size;
  await page.focus('.bars button[data-mark]');
  const before = await page.evaluate(() => document.activeElement.dataset.mark);
  await page.keyboard.press('Enter');
  found.focus = [before, await page.evaluate(() => document.activeElement.dataset.mark)];
  found.chips = await page.$$eval('.chip', chips => chips.length);
  await page.keyboard.press('Escape');
  found.chipsAfterEscape = await page.$$eval('.chip', chips => chips.length);
  await page.hover('.bars button');
  found.faults = {};
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
    if (folder)
      for (const width of [1280, 390]) {
        await page.setViewport({width, height: 900});
        await page.screenshot({path: path.join(folder, `${scheme}-${width}.png`), fullPage: true});
      }
    await page.setViewport({width: 1280, height: 900});
    const client = await page.createCDPSession();
    await client.send('Page.setBypassCSP', {enabled: true});
    await open();
    await page.evaluate(axe);
    const results = await page.evaluate(() => axe.run());
    found.faults[scheme] = results.violations.map(item => `${item.id}: ${item.nodes.length}: ${item.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary).join(' | ')}`);
  }
  if (folder) await page.pdf({path: path.join(folder, 'printed.pdf')});
  found.said = said;
  console.log(JSON.stringify(found));
  await browser.close();
}
main(...process.argv.slice(2)).catch(error => { console.error(error); process.exit(1); });
