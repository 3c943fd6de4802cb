// Node's socket.io with the options the family's backends use: defaults.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.argv[2] + "/package.json");
const { Server } = require("socket.io");
const payload = JSON.parse(readFileSync(new URL("./payload.json", import.meta.url)));
const http = createServer();
const io = new Server(http, process.argv[3] === "recovery" ? { connectionStateRecovery: {} } : {});
let seq = 0;
io.on("connection", (socket) => {
  socket.join("company-1-mainchannel");
  socket.on("fire", (burst) => {
    for (let i = 0; i < burst; i += 1) {
      const t = Number(process.hrtime.bigint());
      io.to("company-1-mainchannel").emit("company-1-ticket", { ...payload, t, seq: (seq += 1) });
    }
  });
  socket.on("presenceUpdate", () => {});
  socket.on("count", (answer) => answer());
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
