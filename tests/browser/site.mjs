// A browser, and the pages of the site that DAYBOOK_SITE names: a demo that has run to its end.

import { chromium } from "playwright-core";

export const base = process.env.DAYBOOK_SITE;
if (!base) throw new Error("DAYBOOK_SITE names no site: `make test` starts a demo and sets it");

export const open = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

// One address of each type of page.
export async function addresses(browser) {
  const page = await browser.newPage();
  await page.goto(`${base}/projects`);
  const project = await page.getAttribute(".card a", "href");
  await page.goto(base + project);
  const job = await page.getAttribute(".job a", "href");
  const entry = await page.getAttribute("[data-genuine]", "data-index");
  await page.close();
  return {
    home: "/",
    list: "/projects?q=asthma",
    nothing: "/projects?q=nothingofthekind",
    project,
    history: `${project}/history`,
    version: `${project}/versions/1`,
    job,
    check: `/check/${entry}`,
    missing: "/no-such-page",
    welsh: "/cy/projects",
    card: `${project}/card`,
    entry,
  };
}
