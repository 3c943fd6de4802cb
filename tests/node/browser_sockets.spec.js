// socket.io-client in a real browser, from a page of another origin. The server listens at
// CHATIA_URL and takes orders at /control; the page is served here at CHATIA_PAGE_PORT.
import assert from "node:assert/strict";
import { launch, servePage } from "./chromium.js";

const URL = process.env.CHATIA_URL;
const PORT = Number(process.env.CHATIA_PAGE_PORT);
const ROOM = { do: "say", rooms: ["company-1-mainchannel"] };
const TRANSPORTS = {
  polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"],
};
let browser, pages, page;

async function order(what) {
  const reply = await fetch(`${URL}/control`, { method: "POST", body: JSON.stringify(what) });
  return reply.json();
}

before(async () => { browser = await launch(); pages = await servePage(PORT); });
after(async () => { await browser?.close(); pages?.close(); });
beforeEach(async () => {
  page = await browser.newPage();
  await page.goto(`http://localhost:${PORT}/`);
});
afterEach(() => page.close());

function connect(namespace, transports, withCredentials = true) {
  return page.evaluate(([url, transports, withCredentials]) => new Promise((resolve, reject) => {
    const socket = window.io(url, {
      transports, withCredentials, query: { token: "admin" },
      reconnectionDelay: 1, reconnectionDelayMax: 5,
    });
    Object.assign(window, { socket, seen: [], lives: [] });
    socket.on("said", (payload) => window.seen.push(payload.seq));
    socket.on("connect", () => { window.lives.push(socket.recovered); resolve(); });
    socket.on("connect_error", (error) => reject(error));
  }), [URL + namespace, transports, withCredentials]);
}

const transport = () => page.evaluate(() => window.socket.io.engine.transport.name);
const reached = (seq) => page.waitForFunction((seq) => window.seen.at(-1) >= seq, seq);
const from = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

for (const namespace of ["/", "/1", "/workspace-1"]) {
  for (const [name, transports] of Object.entries(TRANSPORTS)) {
    it(`${namespace} over ${name}: every event, in order`, async () => {
      await connect(namespace, transports);
      if (name === "upgrade")
        await page.waitForFunction(() => window.socket.io.engine.transport.name === "websocket");
      assert.equal(await transport(), name === "polling" ? "polling" : "websocket");
      const last = await order({ ...ROOM, times: 60 });
      await reached(last);
      assert.deepEqual(await page.evaluate(() => window.seen), from(last - 59, last));
    });
  }
}

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  it(`comes back during a stream of events, none missed, none doubled (${name})`, async () => {
    await connect("/", transports);
    const first = await order(ROOM);
    let last = first;
    const drops = 10;
    for (let drop = 1; drop <= drops; drop += 1) {
      await reached(last);
      await page.evaluate(() => window.socket.io.engine.close());
      last = await order({ ...ROOM, times: 3 });
      await page.waitForFunction((n) => window.lives.length > n, drop);
      last = await order({ ...ROOM, times: 2 });
    }
    await reached(last);
    assert.deepEqual(await page.evaluate(() => window.seen), from(first, last));
    assert.deepEqual(await page.evaluate(() => window.lives.slice(1)), Array(drops).fill(true));
  });
}

it("a page of an origin that is not listed is refused", async () => {
  await page.goto(`http://127.0.0.1:${PORT}/`);
  for (const transports of Object.values(TRANSPORTS))
    await assert.rejects(connect("/", transports), /xhr poll error|websocket error/);
});
