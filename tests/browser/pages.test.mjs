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

for (const [colorScheme, forcedColors] of [["light", "none"], ["dark", "none"], ["dark", "active"]]) {
  for (const width of [1200, 320]) {
    const colours = forcedColors === "active" ? "colours of the reader's own" : colorScheme;
    test(`axe finds nothing, and nothing is wider than the screen: ${colours}, ${width} pixels`, async () => {
      const context = await browser.newContext({ colorScheme, forcedColors, viewport: { width, height: 800 } });
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
  await page.keyboard.type("asthma attack");
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
        // What is taller than the screen has its focus seen where it begins on the screen.
        const y = Math.max(box.y, 0) + Math.min(box.height / 2, 10);
        const top = document.elementFromPoint(box.x + box.width / 2, y);
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

test("no words are missing in either language, and every link of the site leads somewhere", async () => {
  const page = await browser.newPage();
  const links = new Set();
  for (const [name, path] of Object.entries(pages)) {
    for (const prefix of ["", "/cy"]) {
      if (prefix && path.startsWith("/cy")) continue;
      await page.goto(base + prefix + path);
      assert.doesNotMatch(await page.content(), /⟦/, `${prefix}${path}`);
      if (name === "missing") continue;
      const hrefs = await page.$$eval("a[href], link[href]", (all) => all.map((one) => one.getAttribute("href")));
      for (const href of hrefs) {
        const own = href.startsWith(base) ? href.slice(base.length) || "/" : href;
        if (own.startsWith("/")) links.add(own.split("#")[0]);
      }
    }
  }
  assert.ok(links.size > 60, `${links.size} links`);
  for (const link of links) {
    const answer = await page.request.get(base + link);
    assert.equal(answer.status(), 200, link);
  }
  await page.close();
});

test("somebody without scripts and without a mouse goes from a place to its data, a project, and its numbers", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(base);
  const follow = async (selector, url) => {
    for (let presses = 0; presses < 120; presses += 1) {
      if (await page.locator(`${selector}:focus`).count()) break;
      await page.keyboard.press("Tab");
    }
    assert.equal(await page.locator(`${selector}:focus`).count(), 1, `${selector} is not reached by the keyboard`);
    await page.keyboard.press("Enter");
    await page.waitForURL(url);
  };
  await follow('nav a[href="/tres"]', /\/tres$/);
  await follow('.card a[href="/tres/wessex"]', /\/tres\/[a-z]+$/);
  assert.match(await page.innerText("aside"), /Accreditation/);
  await follow('a[href^="/datasets/"]', /\/datasets\/[0-9a-f-]{36}$/);
  await follow('.card a[href^="/projects/"]', /\/projects\/[0-9a-f-]{36}$/);
  await follow('.pairs a[href^="/organisations"]', /\/organisations\?name=/);
  await follow('nav a[href="/numbers"]', /\/numbers$/);
  assert.match(await page.innerText("table"), /Asked for/);
  await follow('footer a[href="/jobs"]', /\/jobs$/);
  await follow('a[href="/jobs?state=released"]', /state=released/);
  const results = await page.locator(".job .state").allInnerTexts();
  assert.ok(results.length > 0 && results.every((word) => /^(Results|Some results) sent/.test(word)), results);
  await follow('footer a[href="/glossary"]', /glossary/);
  await follow('nav a[href="/record"]', /record/);
  assert.match(await page.innerText("pre"), /daybook audit/);
  await context.close();
});

test("wide spaces between letters and lines cut nothing off (WCAG 1.4.12)", async () => {
  const context = await browser.newContext({ viewport: { width: 640, height: 800 } });
  const page = await context.newPage();
  const spaced = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }";
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    // The policy of the site refuses styles of others, and a reader's browser does not: the sheet is made, not written.
    await page.evaluate((css) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      document.adoptedStyleSheets = [sheet];
    }, spaced);
    const cut = await page.evaluate(() => {
      const own = [...document.querySelectorAll("main *:not(.hidden):not(.scroll), nav *, footer *")];
      const hides = (one) => ["hidden", "clip"].includes(getComputedStyle(one).overflowX);
      const clipped = own.filter((one) => hides(one) && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1));
      const over = document.documentElement.scrollWidth > innerWidth ? ["the page"] : [];
      return over.concat(clipped.filter((one) => !one.closest("svg")).map((one) => one.outerHTML.slice(0, 80)));
    });
    assert.deepEqual(cut, [], name);
  }
  await context.close();
});

test("nothing has to be dragged, remembered or typed twice, and no form asks who somebody is (WCAG 2.5.7, 3.3.7, 3.3.8)", async () => {
  const page = await browser.newPage();
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    assert.equal(await page.locator("[draggable=true], input[type=range], input[type=password], input[type=email]").count(), 0, name);
    const forms = await page.$$eval("form", (all) => all.map((one) => [one.method, one.getAttribute("role")].join(" ")));
    assert.ok(forms.every((form) => form === "get search"), `${name}: ${forms}`);
  }
  await page.close();
});

test("printed pages leave out what is for screens, and are dark on white", async () => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(base + path);
    await page.emulateMedia({ media: "print", colorScheme: "light" });
    const left = await page.locator(".top nav:visible, .search:visible, .tongue:visible, .pages:visible, button:visible, .facets:visible").count();
    assert.equal(left, 0, name);
    const paint = await page.evaluate(() => [document.body, document.querySelector("h1")].map((one) => getComputedStyle(one)).map((style) => `${style.color} ${style.backgroundColor}`));
    // Browsers leave backgrounds out: what is light on dark on a screen would be white on white.
    const notices = await page.$$eval(".notice", (all) => all.map((one) => getComputedStyle(one).color));
    assert.ok(notices.every((colour) => colour === "rgb(0, 0, 0)"), `${name}: ${notices}`);
    assert.match(paint[0], /^rgb\(0, 0, 0\) rgb\(255, 255, 255\)$/, name);
  }
  await context.close();
});

test("what is in another language than its page says so (WCAG 3.1.2)", async () => {
  const page = await browser.newPage();
  await page.goto(`${base}/cy${pages.project}`);
  assert.equal(await page.getAttribute("[data-field=lay_summary]", "lang"), "en");
  assert.equal(await page.getAttribute("h1 bdi", "lang"), "en");
  await page.goto(`${base}/cy${pages.job}`);
  assert.deepEqual(await page.$$eval(".timeline li > p:first-of-type", (all) => [...new Set(all.map((one) => one.lang))]), ["en"]);
  assert.match(await page.innerText(".now"), /canlyniadau/i);
  await page.close();
});

test("programs find their way from a page: canonical address, Signposting, OpenGraph, JSON-LD, feeds", async () => {
  const page = await browser.newPage();
  for (const [name, kind] of [["project", "ResearchProject"], ["dataset", "Dataset"], ["tre", "Organization"], ["data", "Dataset"]]) {
    const answer = await page.goto(base + pages[name]);
    const link = (await answer.allHeaders()).link;
    const canonical = await page.getAttribute("link[rel=canonical]", "href");
    assert.equal(canonical, base + pages[name]);
    assert.ok(link.includes(`<${canonical}>; rel="canonical"`), link);
    assert.ok(link.includes(`<https://schema.org/${kind}>; rel="type"`), link);
    assert.match(link, /rel="license"/);
    for (const [, address] of link.matchAll(/<([^>]*)>; rel="(?!type|license)/g)) {
      assert.equal((await page.request.get(address)).status(), 200, address);
    }
    for (const property of ["og:title", "og:type", "og:url", "og:site_name", "og:locale"]) {
      assert.ok(await page.getAttribute(`meta[property="${property}"]`, "content"), `${name}: ${property}`);
    }
    if (name === "tre") continue;
    const linked = JSON.parse(await page.textContent("script[type='application/ld+json']"));
    assert.equal(linked["@type"], kind);
    assert.equal(linked.url, canonical);
  }
  for (const feed of ["/projects.atom", "/activity.atom", `${pages.tre}/feed.atom`, `${pages.dataset}/feed.atom`, `${pages.project}/feed.atom`, "/projects.atom?tre=wessex"]) {
    const text = await (await page.request.get(base + feed)).text();
    const found = await page.evaluate((text) => {
      const read = new DOMParser().parseFromString(text, "application/xml");
      return [read.querySelector("parsererror")?.textContent ?? "", read.documentElement.localName, read.querySelectorAll("entry > updated").length];
    }, text);
    assert.equal(found[0], "", feed);
    assert.equal(found[1], "feed");
    assert.ok(found[2] >= 1, feed);
  }
  const card = await page.request.get(`${base}${pages.project}/card`);
  assert.match(card.headers()["content-security-policy"], /frame-ancestors \*/);
  await page.close();
});
