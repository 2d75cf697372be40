// Pictures of the main types of page for the documents: DAYBOOK_SITE=http://… node pictures.mjs ../../docs/pictures

import { addresses, base, open } from "./site.mjs";

const browser = await open();
const pages = { ...(await addresses(browser)), list: "/projects" };
const context = await browser.newContext({ colorScheme: "light", viewport: { width: 1000, height: 680 }, deviceScaleFactor: 0.64 });
const page = await context.newPage();
for (const name of ["home", "list", "project", "job", "check"]) {
  await page.goto(base + pages[name]);
  // Of a list, what there is to choose from.
  if (name === "list") await page.evaluate(() => document.querySelector(".tools").scrollIntoView());
  await page.screenshot({ path: `${process.argv[2]}/${name}.png` });
}
await browser.close();
