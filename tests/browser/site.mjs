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
  const first = async (path, selector) => {
    await page.goto(base + path);
    return page.getAttribute(selector, "href");
  };
  const tre = await first("/tres", ".card a");
  const dataset = await first("/datasets", ".card a");
  const workflow = await first("/workflows", ".plain a");
  const organisation = await first("/organisations", ".plain a");
  await page.close();
  return {
    home: "/",
    tres: "/tres",
    tre,
    datasets: "/datasets",
    dataset,
    workflows: "/workflows",
    workflow,
    organisations: "/organisations",
    organisation,
    jobs: "/jobs",
    ended: "/jobs?state=cancelled",
    numbers: "/numbers",
    record: "/record",
    data: "/data",
    glossary: "/glossary",
    protection: "/protection",
    coverage: "/coverage",
    accessibility: "/accessibility",
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
