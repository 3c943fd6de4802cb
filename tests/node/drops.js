// What a client hears of a stream of events while its connection is dropped again and again; runs
// in Node and, as it stands, in a page. Every second line breaks without a word to the server, and
// every fifth time the server has forgotten the client meanwhile. In the middle of an upgrade it is
// never `close`: that waits for the upgrade, and may hold a packet back that the client shows when
// it is connected again, but did not count when it told its place.
export async function drops(io, url, transports, times, order) {
  const socket = io(url, {
    transports, query: { token: "admin" }, withCredentials: true, forceNew: true,
    reconnectionDelay: 1, reconnectionDelayMax: 5,
  });
  const figures = { drops: 0, recovered: 0, fresh: 0, events: 0, refetched: 0, missed: 0, doubled: 0 };
  let era = null; // numbers heard since the last fresh start, through any number of recoveries
  let life = 0; // the first of them
  let reached = 0; // the last one before
  let wake = () => {};
  socket.on("said", ({ seq }) => {
    figures.events += 1;
    if (era === null) {
      life = seq;
    } else {
      if (seq <= era) figures.doubled += 1;
      else figures.missed += seq - era - 1;
    }
    era = Math.max(era ?? 0, seq);
    wake();
  });
  socket.on("connect", () => {
    if (socket.recovered) return;
    reached = era ?? 0; // events of the new life may follow at once
    era = null;
  });
  const heard = () => new Promise((resolve) => { wake = resolve; });
  const connected = () => new Promise((resolve) => socket.once("connect", resolve));
  await connected();
  await order({ do: "stream", rooms: ["company-1-mainchannel"], every: 0.003 });
  await heard();
  while (figures.drops < times) {
    await new Promise((resolve) => setTimeout(resolve, (figures.drops * 7) % 30));
    const forgotten = figures.drops % 5 === 4;
    const back = connected();
    const gone = new Promise((resolve) => socket.once("disconnect", resolve));
    socket.io.reconnection(!forgotten);
    const { engine } = socket.io;
    if (figures.drops % 2 || engine.upgrading) engine._onClose("transport error");
    else engine.close();
    await gone;
    if (forgotten) {
      await order({ do: "forget" });
      socket.io.reconnection(true);
      socket.connect();
    }
    figures.drops += 1;
    await back;
    if (socket.recovered) {
      figures.recovered += 1;
      if (forgotten) throw new Error("recovered by a server that had forgotten it");
    } else {
      figures.fresh += 1;
      if (!forgotten) throw new Error(`not recovered after drop ${figures.drops}`);
      if (era === null) await heard();
      const first = life; // what a frontend does now: ask for what it missed
      const log = new Set(await order({ do: "log" }));
      for (let seq = reached + 1; seq < first; seq += 1) {
        if (log.has(seq)) figures.refetched += 1;
        else figures.missed += 1;
      }
    }
    await heard(); // an event, so that there is a place to come back to
  }
  const last = await order({ do: "hush" });
  while (era < last) await heard();
  socket.disconnect();
  return figures;
}
