// Headless Chromium as the tests start it, and a page of another origin that has socket.io-client.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const CLIENT = new URL("node_modules/socket.io-client/dist/socket.io.js", import.meta.url);

export function launch() {
  return chromium.launch({ executablePath: process.env.CHATIA_CHROMIUM, headless: true, args: FLAGS });
}

export async function servePage(port) {
  const client = await readFile(CLIENT);
  const server = createServer((request, response) => {
    const script = request.url === "/socket.io.js";
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ? client : "<!doctype html><title>page</title><script src=socket.io.js></script>");
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}
