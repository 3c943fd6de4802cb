// The official client against our server. The server listens at CHATIA_URL and takes orders at
// /control; who its users are says tests/api/realtime/harness.py.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { drops } from "./drops.js";

const URL = process.env.CHATIA_URL;
const DROPS = Number(process.env.CHATIA_DROPS);
const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};
const DIALECTS = { classic: "/", number: "/1", workspace: "/workspace-1" };
const open = new Set();

async function order(what) {
  const reply = await fetch(`${URL}/control`, { method: "POST", body: JSON.stringify(what) });
  return reply.json();
}

function connect(namespace, token, options = {}) {
  const socket = io(URL + namespace, {
    forceNew: true,
    query: token === undefined ? {} : { token },
    reconnection: false,
    ...options,
  });
  open.add(socket);
  return socket;
}

function once(socket, name) {
  return new Promise((resolve) => socket.once(name, (...args) => resolve(args)));
}

async function connected(namespace, token, options) {
  const socket = connect(namespace, token, options);
  const waits = [once(socket, "connect")];
  if (namespace === "/") waits.push(once(socket, "ready"));
  await Promise.all(waits);
  return socket;
}

function ack(socket, ...args) {
  return new Promise((resolve) => socket.emit(...args, (...reply) => resolve(reply)));
}

afterEach(() => {
  for (const socket of open) socket.disconnect();
  open.clear();
});

for (const [dialect, namespace] of Object.entries(DIALECTS)) {
  describe(`the ${dialect} dialect`, () => {
    for (const [name, transports] of Object.entries(TRANSPORTS)) {
      it(`delivers events in order over ${name}`, async () => {
        const socket = await connected(namespace, "admin", { transports });
        if (name === "upgrade" && socket.io.engine.transport.name === "polling")
          await once(socket.io.engine, "upgrade");
        const seen = [];
        const all = new Promise((resolve) =>
          socket.on("said", (payload) => seen.push(payload.seq) === 40 && resolve()));
        const last = await order({ do: "say", rooms: ["company-1-mainchannel"], times: 40 });
        await all;
        assert.deepEqual(seen, Array.from({ length: 40 }, (_, i) => last - 39 + i));
      });
    }

    it("takes a Bearer token, and one in the auth object", async () => {
      await connected(namespace, "Bearer admin");
      await connected(namespace, undefined, { auth: { token: "admin" } });
    });

    for (const token of [undefined, "", "undefined", "nonsense", "expired"]) {
      it(`refuses the token ${token}`, async () => {
        const [error] = await once(connect(namespace, token), "connect_error");
        assert.match(error.message, /^ERR_/);
        assert.equal(error.data.code, error.message);
      });
    }

    it("drops every socket of a revoked login session, after telling it why", async () => {
      await order({ do: "grant", token: "doomed", principal: { user_id: 50, family: "doomed" } });
      const socket = await connected(namespace, "doomed");
      const told = once(socket, "auth_error");
      const dropped = once(socket, "disconnect");
      await order({ do: "revoke", token: "doomed" });
      assert.deepEqual(await told, [{ error: "ERR_SESSION_EXPIRED" }]);
      assert.equal((await dropped)[0], "io server disconnect");
      const [error] = await once(connect(namespace, "doomed"), "connect_error");
      assert.equal(error.message, "ERR_INVALID_TOKEN");
    });

    it("tells and drops a socket whose token runs out", async () => {
      await order({ do: "grant", token: "brief", principal: { user_id: 51, expires_in: 0.6 } });
      const socket = await connected(namespace, "brief");
      const told = once(socket, "auth_error");
      assert.equal((await once(socket, "disconnect"))[0], "io server disconnect");
      assert.deepEqual(await told, [{ error: "ERR_SESSION_EXPIRED" }]);
    });

    it("survives the garbage that frontends send", async () => {
      const socket = await connected(namespace, "agent");
      socket.emit("userStatus");
      socket.emit("joinChatBox", "undefined");
      socket.emit("joinChatBox", null);
      socket.emit("joinChatBox", { a: [1] });
      socket.emit("joinChatBox");
      socket.emit("leaveTickets", "open");
      socket.emit("joinTickets");
      socket.emit("joinTickets", 12);
      socket.emit("joinNotification");
      socket.emit("joinNotification");
      socket.emit("presenceUpdate", { ticketId: 1, presence: "composing" });
      socket.emit("no such event", 1, 2, 3);
      socket.emit("presenceUpdate", new Uint8Array([1, 2, 3]));
      assert.deepEqual(await ack(socket, "joinChatBox", "7"), []);
      assert.ok(socket.connected);
    });

    it("lets an agent hear an open conversation only when it may see it", async () => {
      const agent = await connected(namespace, "agent");
      assert.deepEqual(await ack(agent, "joinChatBox", 8), ["ERR_NO_PERMISSION"]);
      assert.deepEqual(await ack(agent, "joinChatBox", "uuid-7"), []);
      const heard = [];
      agent.on("said", (payload) => heard.push(payload.what));
      await order({ do: "say", rooms: ["8"], payload: { what: "secret" } });
      await order({ do: "say", rooms: ["7"], payload: { what: "mine" } });
      assert.deepEqual(await ack(agent, "joinChatBoxLeave", "uuid-7"), []);
      await order({ do: "say", rooms: ["7"], payload: { what: "after leaving" } });
      const end = once(agent, "end");
      await order({ do: "say", rooms: ["user-2"], name: "end" });
      await end;
      assert.deepEqual(heard, ["mine"]);
    });

    it("never lets one company hear another", async () => {
      const stranger = await connected(dialect === "classic" ? "/" : namespace.replace("1", "2"),
        "stranger");
      let heard = 0;
      stranger.onAny((name) => { if (name !== "end") heard += 1; });
      for (const room of ["joinTickets", "joinNotification", "joinChatBox", "joinBackendlog"])
        stranger.emit(room, room === "joinChatBox" ? 7 : "open");
      const rooms = ["company-1-mainchannel", "company-1-open", "7", "company-1-notification"];
      await order({ do: "say", rooms });
      const end = once(stranger, "end");
      await order({ do: "say", company: 2, rooms: ["user-9"], name: "end" });
      await end;
      assert.equal(heard, 0);
    });
  });
}

describe("namespaces", () => {
  it("refuses those of another company", async () => {
    for (const namespace of ["/2", "/workspace-2"]) {
      const [error] = await once(connect(namespace, "admin"), "connect_error");
      assert.equal(error.message, "ERR_NO_PERMISSION");
    }
  });

  it("refuses unknown ones", async () => {
    for (const namespace of ["/admin", "/workspace-", "/01", "/1x", "/workspace-1/2"]) {
      const [error] = await once(connect(namespace, "admin"), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    }
  });
});

describe("rooms of the classic dialect", () => {
  async function hears(socket, user, room) {
    let heard = false;
    socket.once("said", () => { heard = true; });
    await order({ do: "say", rooms: [room] });
    const end = once(socket, "end");
    await order({ do: "say", rooms: [`user-${user}`], name: "end" });
    await end;
    socket.off("said");
    return heard;
  }

  it("give an admin the company's lists once joined, and no more once left as often", async () => {
    const socket = await connected("/", "admin");
    assert.equal(await hears(socket, 1, "company-1-open"), false);
    await ack(socket, "joinTickets", "open");
    await ack(socket, "joinTickets", "open");
    await ack(socket, "leaveTickets", "open");
    assert.equal(await hears(socket, 1, "company-1-open"), true);
    await ack(socket, "leaveTickets", "open");
    assert.equal(await hears(socket, 1, "company-1-open"), false);
  });

  it("give an agent its departments only", async () => {
    const socket = await connected("/", "agent");
    await ack(socket, "joinTickets", "pending");
    await ack(socket, "joinTickets", "open");
    await ack(socket, "joinNotification");
    assert.equal(await hears(socket, 2, "queue-5-pending"), true);
    assert.equal(await hears(socket, 2, "queue-5-notification"), true);
    for (const room of ["queue-6-pending", "queue-null-pending", "company-1-pending",
      "company-1-open", "queue-5-open", "company-1-notification", "company-1-admin"])
      assert.equal(await hears(socket, 2, room), false, room);
  });

  it("keep the server's log for super users", async () => {
    const agent = await connected("/", "agent");
    assert.deepEqual(await ack(agent, "joinBackendlog", "debug"), ["ERR_NO_PERMISSION"]);
    assert.deepEqual(await ack(agent, "debugCheckRoom", "7"), ["ERR_NO_PERMISSION"]);
    assert.equal(await hears(agent, 2, "backendlog"), false);
    const superUser = await connected("/", "super");
    assert.deepEqual(await ack(superUser, "joinBackendlog", "debug"), []);
    assert.equal(await hears(superUser, 4, "backendlog"), true);
  });
});

describe("the cookie", () => {
  const cookie = { Cookie: "jrt=cookie-of-admin" };
  it("counts from a listed origin", async () => {
    await connected("/", undefined, {
      extraHeaders: { ...cookie, Origin: "http://frontend.example" },
    });
  });

  it("does not count without one", async () => {
    const [error] = await once(connect("/", undefined, { extraHeaders: cookie }), "connect_error");
    assert.match(error.message, /^ERR_/);
  });

  it("does not get a stranger's page in", async () => {
    const extraHeaders = { ...cookie, Origin: "http://evil.example" };
    for (const transports of Object.values(TRANSPORTS)) {
      const [error] = await once(connect("/", "admin", { extraHeaders, transports }), "connect_error");
      assert.match(error.message, /xhr poll error|websocket error/);
    }
  });
});

describe("recovery", () => {
  for (const [name, transports] of Object.entries(TRANSPORTS)) {
    it(`misses and doubles nothing of a stream through forced drops (${name})`, async () => {
      const found = await drops(io, URL, transports, DROPS, order);
      console.log("figures", `node ${name}`, JSON.stringify(found));
      assert.deepEqual([found.drops, found.missed, found.doubled], [DROPS, 0, 0]);
      assert.equal(found.fresh, Math.floor(DROPS / 5));
    });
  }

  it("is refused when the permissions changed meanwhile", async () => {
    const grant = (departments) =>
      order({ do: "grant", token: "moving", principal: { user_id: 60, departments } });
    await grant([5]);
    const socket = await connected("/", "moving", { reconnection: true, reconnectionDelay: 1 });
    const heard = once(socket, "said");
    await order({ do: "say", rooms: ["user-60"] });
    await heard;
    await grant([6]);
    const back = once(socket, "connect");
    socket.io.engine.close();
    await back;
    assert.equal(socket.recovered, false);
  });
});
