// Every type of page: nothing for axe to find, nothing from elsewhere, no wider than the screen, complete without scripts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { addresses, base, open } from "./site.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let browser;
let pages;
before(async () => {
  browser = await open();
  const { entry, ...all } = await addresses(browser);
  pages = all;
});
after(() => browser?.close());

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1200, 320]) {
    test(`axe finds nothing, and nothing is wider than the screen: ${colorScheme}, ${width} pixels`, async () => {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(base + path);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${name} is ${over} pixels too wide`);
        await page.evaluate(axe);
        const found = await page.evaluate(async (rules) => {
          const { violations } = await axe.run({ runOnly: rules });
          return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
        }, RULES);
        assert.deepEqual(found, [], name);
      }
      await context.close();
    });
  }
}

test("no page asks another site, keeps a cookie or meets an error", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const strange = [];
  page.on("request", (request) => request.url().startsWith(base) || strange.push(request.url()));
  page.on("console", (message) => message.type() === "error" && strange.push(message.text()));
  page.on("pageerror", (error) => strange.push(String(error)));
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    // The browser itself complains of a page that is not there.
    if (name === "missing") strange.pop();
  }
  assert.deepEqual(strange, []);
  assert.deepEqual(await context.cookies(), []);
  await context.close();
});

test("somebody without scripts and without a mouse finds a project, its analysis and its proof", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(base);
  await page.keyboard.press("Tab");
  assert.equal(await page.locator(":focus").getAttribute("class"), "skip");
  const reach = async (selector) => {
    for (let presses = 0; presses < 80; presses += 1) {
      if (await page.locator(`${selector}:focus`).count()) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`${selector} is not reached by the keyboard`);
  };
  await reach("#q");
  await page.keyboard.type("asthma");
  await page.keyboard.press("Enter");
  await page.waitForURL(/projects\?q=asthma/);
  await reach(".card a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/projects\/[0-9a-f-]{36}$/);
  assert.match(await page.innerText("main"), /What good should come of it/);
  await reach(".job a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/jobs\//);
  await reach(".timeline a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/check\//);
  assert.match(await page.innerText(".now"), /Holds/);
  assert.match(await page.innerText("main"), /needs scripts/);
  assert.match(await page.innerText("pre"), /daybook verify/);
  await context.close();
});

test("what has focus is never hidden, and every target is large enough (WCAG 2.4.11, 2.5.8)", async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 } });
  const page = await context.newPage();
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    const links = await page.locator("a[href]:visible, button:visible, input:visible, summary:visible").count();
    for (let nth = 0; nth < links; nth += 1) {
      await page.keyboard.press("Tab");
      const hidden = await page.evaluate(() => {
        const own = document.activeElement;
        if (!own || own === document.body) return null;
        const box = own.getClientRects()[0];
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 10));
        return own === top || own.contains(top) || top?.contains(own) ? null : own.outerHTML.slice(0, 120);
      });
      assert.equal(hidden, null, name);
    }
  }
  await context.close();
});

test("help stands in the same place and order on every page (WCAG 3.2.6)", async () => {
  const page = await browser.newPage();
  const seen = new Set();
  for (const [name, path] of Object.entries(pages)) {
    if (name === "card" || name === "welsh") continue;
    await page.goto(base + path);
    seen.add(await page.innerText("section[aria-labelledby=foot-help]"));
  }
  assert.equal(seen.size, 1);
  await page.close();
});

test("a search is kept in its field and in its address (WCAG 3.3.7)", async () => {
  const page = await browser.newPage();
  await page.goto(`${base}/projects?q=asthma&tre=wessex`);
  assert.equal(await page.inputValue("#q"), "asthma");
  await page.click("button[type=submit], form button");
  assert.match(page.url(), /q=asthma/);
  assert.match(page.url(), /tre=wessex/);
  await page.close();
});

test("every page says its language, has one first heading, and leads to itself in the other language", async () => {
  const page = await browser.newPage();
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    assert.equal(await page.locator("h1").count(), 1, name);
    assert.equal(await page.getAttribute("html", "lang"), path.startsWith("/cy") ? "cy" : "en", name);
    if (name === "card" || name === "missing") continue;
    const other = await page.getAttribute(".tongue", "href");
    const answer = await page.request.get(base + other);
    assert.equal(answer.status(), 200, `${name}: ${other}`);
  }
  await page.close();
});
