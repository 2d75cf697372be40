// "Is this record genuine?" in the reader's own browser: it says yes of what is, and warns of each kind of tampering.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { addresses, base, open } from "./site.mjs";

let browser;
let pages;
before(async () => {
  browser = await open();
  pages = await addresses(browser);
});
after(() => browser?.close());

// Presses the button on a page, after `spoil` has changed what the page shows or what it will fetch.
async function outcome(path, spoil = async () => {}, late = async () => {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await spoil(page);
  await page.goto(base + path);
  await late(page);
  await page.click("[data-genuine] button");
  await page.waitForSelector("[data-outcome]");
  const said = await page.$eval("[data-outcome]", (answer) => [answer.dataset.outcome, answer.querySelector("p").innerText]);
  await context.close();
  assert.deepEqual(errors, []);
  return said;
}

const answer = (pattern, change) => (page) =>
  page.route(pattern, async (route) => {
    const fetched = await route.fetch();
    await route.fulfill({ response: fetched, body: change(await fetched.body()) });
  });
const text = (change) => (body) => change(body.toString());

test("a genuine record is told so, on its page and on the page of its check", async () => {
  for (const path of [pages.project, pages.check, "/check/0"]) {
    const [found, sentence] = await outcome(path);
    assert.equal(found, "good", `${path}: ${sentence}`);
    assert.match(sentence, /came from this site/);
  }
});

test("the witnesses that have signed are named, on the page and by the reader's own browser", async () => {
  const page = await browser.newPage();
  await page.goto(base + pages.check);
  assert.match(await page.innerText(".now"), /signed the same checkpoint: .*outside/);
  await page.click("[data-genuine] button");
  await page.waitForSelector("[data-outcome=good]");
  assert.match(await page.innerText("[data-genuine]"), /also signed by: .*outside/);
  await page.goto(`${base}/record`);
  const rows = await page.$$eval("table tbody tr", (all) => all.map((one) => one.innerText));
  assert.equal(rows.length, 3);
  assert.equal(rows.filter((row) => /outside of this network/.test(row)).length, 1);
  assert.ok(rows.every((row) => / ago\)/.test(row)), rows.join("; "));
  await page.close();
});

// The newest, or the newest that enough witnesses have cosigned.
const CHECKPOINT = /\/(log\/checkpoint|v1\/checkpoints\/\d+)$/;

const tampered = {
  "words on the page": [
    async () => {},
    (page) => page.evaluate(() => (document.querySelector("[data-field=lay_summary] p").textContent = "Something else.")),
  ],
  "the page's record": [answer("**/record.json", text((body) => body.replace("Asthma", "Eczema")))],
  "the size in the checkpoint": [answer(CHECKPOINT, text((body) => body.replace(/\n(\d+)\n/, (_, size) => `\n${size - 1}\n`)))],
  "the root in the checkpoint": [answer(CHECKPOINT, text((body) => body.replace(/\n(.)(.*=)\n\n/, (_, a, b) => `\n${a === "A" ? "B" : "A"}${b}\n\n`)))],
  "the entry": [
    (page) =>
      page.route(`**/v1/events/${pages.entry}`, async (route) => {
        const fetched = await route.fetch();
        const entry = await fetched.json();
        entry.event = `${entry.event.slice(0, -4)}AAAA`;
        await route.fulfill({ response: fetched, json: entry });
      }),
  ],
  "another entry in its place": [
    (page) => page.route(`**/v1/events/${pages.entry}`, async (route) => route.fulfill({ response: await route.fetch({ url: `${base}/v1/events/1` }) })),
  ],
  "a tile": [answer("**/log/tile/**", (body) => (body.writeUInt8(body[40] ^ 1, 40), body))],
  "the key of the author": [
    (page) =>
      page.route("**/v1/keys**", async (route) => {
        const fetched = await route.fetch();
        const listed = await fetched.json();
        for (const key of listed.keys) key.x = `${key.x.startsWith("A") ? "B" : "A"}${key.x.slice(1)}`;
        await route.fulfill({ response: fetched, json: listed });
      }),
  ],
  "the opening of the page's digest": [
    (page) =>
      page.route("**/openings", async (route) => {
        const fetched = await route.fetch();
        const found = await fetched.json();
        for (const one of found.openings) one.opening = Buffer.from('["AAAAAAAAAAAAAAAAAAAAAA","page","x"]').toString("base64url");
        await route.fulfill({ response: fetched, json: found });
      }),
  ],
};

for (const [what, spoils] of Object.entries(tampered)) {
  test(`tampering with ${what} is warned of in words`, async () => {
    const [found, sentence] = await outcome(pages.project, ...spoils);
    assert.equal(found, "bad");
    assert.match(sentence, /^Warning: /);
  });
}

test("what cannot be fetched is no verdict", async () => {
  const [found, sentence] = await outcome(pages.project, (page) => page.route("**/log/tile/**", (route) => route.abort()));
  assert.equal(found, "bad");
  assert.match(sentence, /could not be made/);
});
