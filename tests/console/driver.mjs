// A browser that Python drives: one command in a line of JSON, one answer in a line of JSON, in order. The other end is
// `__init__.py` beside it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [executablePath, timeout, ...more] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"];
const quieter = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args: [...quiet, ...quieter, ...more] });
const pages = [];

/** Collects the exceptions of a page, and the errors and warnings in its console. */
function listen(page, complaints) {
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
}

const commands = {
  /** Opens a page in a new context, or in that of the page `beside`, whose storage it then shares. */
  async open({ beside, options }) {
    const context = beside === undefined ? await browser.newContext(options) : pages[beside].page.context();
    const complaints = [];
    if (beside === undefined) {
      context.setDefaultTimeout(Number(timeout));
      await context.exposeFunction("reportViolation", (text) => complaints.push(`policy: ${text}`));
      await context.addInitScript(() => {
        const report = ({ violatedDirective, blockedURI, sample }) =>
          window.reportViolation(`${violatedDirective} ${blockedURI} ${sample}`);
        document.addEventListener("securitypolicyviolation", report);
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
    const makeTransfer = ([name, type, base64]) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name, { type }));
      return data;
    };
    const dataTransfer = await pages[page].page.evaluateHandle(makeTransfer, [name, type, base64]);
    const target = pages[page].page.locator(selector);
    for (const event of ["dragenter", "dragover", "drop"]) await target.dispatchEvent(event, { dataTransfer });
  },
  /** The violations that axe finds: the rule, its description, and the elements. */
  async axe({ page, rules }) {
    await pages[page].page.evaluate(axe);
    const { violations } = await pages[page].page.evaluate((only) => window.axe.run(only.length ? { runOnly: only } : {}), rules);
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  },
  /** The seconds of processor time that the tasks of the page's main thread have taken since the first call. */
  async busy({ page: number }) {
    const { page } = pages[number];
    if (!pages[number].session) {
      pages[number].session = await page.context().newCDPSession(page);
      await pages[number].session.send("Performance.enable", { timeDomain: "threadTicks" });
    }
    const { metrics } = await pages[number].session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value;
  },
  complaints: ({ page }) => pages[page].complaints.splice(0),
  close: ({ page }) => pages[page].page.close(),
  closeContext: ({ page }) => pages[page].page.context().close(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  const answer = await Promise.resolve()
    .then(() => commands[command](rest))
    .then((value) => ({ value: serializable(value) }), (error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

/** The value if JSON can express it, otherwise null: Python needs no responses, elements or images. */
function serializable(value) {
  try {
    return JSON.parse(JSON.stringify(value ?? null));
  } catch {
    return null;
  }
}
