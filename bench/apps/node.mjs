// Node's http module as written by hand: a timer for each stream, and a write for each event.
//
//   node node.mjs PORT

import { createSocket } from "node:dgram";
import { createServer } from "node:http";

const HOST = "127.0.0.1";
const now = () => process.hrtime.bigint();
const sent = () => `sent ${now()} ns`;
const stamped = (data) => ({ ...data, timestamp: new Date().toISOString() });
const page = (message, done, total) => stamped({ message, done, total, unit: "pages" });
const item = (number) =>
  stamped({ message: sent(), number, kind: "paragraph", text: "the words of one item of a result" });
const frame = (number, data, name = "progress") =>
  `id: ${number}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

async function pages(response, { count }) {
  for (let number = 1; number <= count; number++) {
    if (!response.write(frame(number, page(`Page ${number} read`, number, count)))) {
      await new Promise((resume) => response.once("drain", resume));
    }
  }
  response.end();
}

function everySoOften(make) {
  return (response, { rate }) => {
    const start = performance.now();
    let number = 1;
    let timer;
    const tick = () => {
      response.write(make(number));
      number++;
      wait();
    };
    const wait = () => {
      timer = setTimeout(tick, Math.max(0, start + (number * 1000) / rate - performance.now()));
    };
    wait();
    response.on("close", () => clearTimeout(timer));
  };
}

function quiet(response, { viewer, port, heartbeat = 15 }) {
  response.write(frame(1, page("Waiting", 1, 50)));
  const timer = setInterval(() => response.write(": keep-alive\n\n"), heartbeat * 1000);
  response.on("close", () => {
    clearInterval(timer);
    if (port) {
      const socket = createSocket("udp4");
      socket.send(`${viewer} ${now()}`, port, HOST, () => socket.close());
    }
  });
}

const workloads = {
  pages,
  paced: everySoOften((number) => frame(number, page(sent(), number, 1e6))),
  items: everySoOften((number) => frame(number, item(number), "item")),
  quiet,
};

createServer((request, response) => {
  const url = new URL(request.url, `http://${HOST}`);
  const workload = workloads[url.pathname.slice(1)];
  if (!workload) {
    response.end(String(process.pid));
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  workload(response, Object.fromEntries([...url.searchParams].map(([name, value]) => [name, Number(value)])));
}).listen({ port: Number(process.argv[2]), host: HOST, backlog: 1024 });
