// socket.io-client in a real browser, from a page of another origin. The server listens at
// CHATIA_URL and takes orders at /control; the page is served here at CHATIA_PAGE_PORT.
import assert from "node:assert/strict";
import { launch, servePage } from "./chromium.js";
import { drops } from "./drops.js";

const URL = process.env.CHATIA_URL;
const PORT = Number(process.env.CHATIA_PAGE_PORT);
const DROPS = Number(process.env.CHATIA_DROPS);
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
  it(`misses and doubles nothing of a stream through forced drops (${name})`, async () => {
    await page.exposeFunction("order", order);
    const found = await page.evaluate(`(${drops})(io, "${URL}", ${JSON.stringify(transports)},
      ${DROPS}, window.order)`);
    console.log("figures", `chromium ${name}`, JSON.stringify(found));
    assert.deepEqual([found.drops, found.missed, found.doubled], [DROPS, 0, 0]);
    assert.equal(found.fresh, Math.floor(DROPS / 5));
  });
}

it("a page of an origin that is not listed is refused", async () => {
  await page.goto(`http://127.0.0.1:${PORT}/`);
  for (const transports of Object.values(TRANSPORTS))
    await assert.rejects(connect("/", transports), /xhr poll error|websocket error/);
});
