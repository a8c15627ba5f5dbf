// A browser that Python drives: one JSON line in, one JSON line out, in order. `__init__.py` beside it is the other end.
//
// It knows nothing of the page: what is looked for and what is expected stands in the tests.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [executablePath, patience] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"];
const quieter = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args: [...quiet, ...quieter] });
const pages = [];

/** What a page complained of: exceptions, errors on its console, and what its security policy refused. */
function listen(page, complaints) {
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
}

const commands = {
  /** A page in a context of its own, or beside another page, with which it then shares its storage. */
  async open({ beside, options }) {
    const context = beside === undefined ? await browser.newContext(options) : pages[beside].page.context();
    const complaints = [];
    if (beside === undefined) {
      context.setDefaultTimeout(Number(patience));
      await context.exposeFunction("tellOfViolation", (text) => complaints.push(`policy: ${text}`));
      await context.addInitScript(() => {
        const tell = ({ violatedDirective, blockedURI, sample }) =>
          window.tellOfViolation(`${violatedDirective} ${blockedURI} ${sample}`);
        document.addEventListener("securitypolicyviolation", tell);
      });
    }
    const page = await context.newPage();
    listen(page, complaints);
    return pages.push({ page, complaints }) - 1;
  },
  page: ({ page, method, args }) => pages[page].page[method](...args),
  locator: ({ page, selector, method, args }) => pages[page].page.locator(selector).first()[method](...args),
  all: ({ page, selector, method, args }) => pages[page].page.locator(selector)[method](...args),
  press: ({ page, keys }) => pages[page].page.keyboard.press(keys),
  offline: ({ page, offline }) => pages[page].page.context().setOffline(offline),
  evaluate: ({ page, code, arg }) => pages[page].page.evaluate(new Function("arg", `return (${code})(arg)`), arg),
  drop: async ({ page, selector, name, type, base64 }) => {
    const make = ([name, type, base64]) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name, { type }));
      return data;
    };
    const dataTransfer = await pages[page].page.evaluateHandle(make, [name, type, base64]);
    const target = pages[page].page.locator(selector);
    for (const event of ["dragenter", "dragover", "drop"]) await target.dispatchEvent(event, { dataTransfer });
  },
  /** axe's complaints: the rule, what it wants, and where. */
  async axe({ page, rules }) {
    await pages[page].page.evaluate(axe);
    const { violations } = await pages[page].page.evaluate((only) => window.axe.run(only.length ? { runOnly: only } : {}), rules);
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  },
  complaints: ({ page }) => pages[page].complaints.splice(0),
  close: ({ page }) => pages[page].page.close(),
  leave: ({ page }) => pages[page].page.context().close(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  const answer = await Promise.resolve()
    .then(() => commands[command](rest))
    .then((value) => ({ value: plain(value) }), (error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

/** What JSON can carry; a response, an element or a picture is none of Python's business. */
function plain(value) {
  try {
    return JSON.parse(JSON.stringify(value ?? null));
  } catch {
    return null;
  }
}
