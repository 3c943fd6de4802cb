// An agent's day in the console, in a real browser on the whole server at CHATIA_URL. A customer
// writes when POST /control says so.
import assert from "node:assert/strict";
import { launch } from "./chromium.js";

const URL = process.env.CHATIA_URL;
let browser, page;
const faults = [];

async function receive(phone, ...texts) {
  await fetch(`${URL}/control`, { method: "POST", body: JSON.stringify({ phone, texts }) });
}

before(async () => {
  browser = await launch();
  page = await browser.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
});
after(() => browser?.close());

const bubble = (text) => page.locator("#messages .bubble", { hasText: text });
const card = (text) => page.locator("#tickets li", { hasText: text });
const tab = (label) => page.locator("#tabs button", { hasText: label });
const act = (label) => page.locator("#actions button", { hasText: label });

it("logs in, after a wrong password was refused", async () => {
  await page.goto(`${URL}/console/`);
  await page.fill("input[name=email]", "admin@a.test");
  await page.fill("input[name=password]", "wrong");
  await page.click("#login-form button");
  await page.waitForSelector("#login-error:visible");
  await page.fill("input[name=password]", process.env.CHATIA_PASSWORD);
  await page.click("#login-form button");
  await page.waitForSelector("#shell:visible");
  await page.waitForFunction(() => document.getElementById("live").className.includes("on")
    || /vivo|conectado/i.test(document.getElementById("live").textContent));
});

it("shows a customer's message the moment it comes", async () => {
  await tab("Aguardando").click();
  await receive("5511944440001", "cadê meu pedido?");
  await card("cadê meu pedido?").waitFor();
});

it("accepts, and the conversation moves to the open ones", async () => {
  await card("cadê meu pedido?").click();
  await bubble("cadê meu pedido?").waitFor();
  await act("Aceitar").click();
  await act("Resolver").waitFor();
  await act("Devolver").waitFor();
  await tab("Abertos").click();
  await card("cadê meu pedido?").waitFor();
});

it("answers, sees the ticks of the delivery, and hears the customer again", async () => {
  await page.fill("#body", "já vou ver <b>isso</b>");
  await page.press("#body", "Enter");
  await bubble("já vou ver <b>isso</b>").waitFor();
  assert.equal(await page.locator("#messages .bubble b").count(), 0);
  await page.locator("#messages .bubble.mine .tick", { hasText: "✓" }).first().waitFor();
  await receive("5511944440001", "obrigado!");
  await bubble("obrigado!").waitFor();
});

it("comes back by itself after the connection was lost, with what was missed", async () => {
  await page.context().setOffline(true);
  await page.evaluate(() => window.dispatchEvent(new Event("offline")));
  await receive("5511944440001", "ainda está aí?");
  await page.context().setOffline(false);
  await page.reload();
  await page.waitForSelector("#shell:visible");
  await tab("Abertos").click();
  await card("ainda está aí?").click();
  await bubble("ainda está aí?").waitFor();
});

it("closes: the conversation moves to the closed ones and takes no more text", async () => {
  await act("Resolver").click();
  await act("Reabrir").waitFor();
  await page.waitForSelector("#closed-hint:visible");
  await tab("Abertos").click();
  await page.waitForFunction(() => document.querySelectorAll("#tickets li").length === 0);
  await tab("Fechados").click();
  await page.locator("#tickets li").first().waitFor();
  assert.deepEqual(faults, []);
});
