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

it("shows marks, links, places and contact cards, and nothing of a message as HTML", async () => {
  await receive("5511944440001", "*total* de _R$ 10_, veja https://loja.test/a?b=1&c=2. <i>snake_case_ok</i>\n> antes\n- um");
  const shown = bubble("snake_case_ok");
  await shown.waitFor();
  const html = await shown.locator(".text").innerHTML();
  assert.match(html, /^<strong>total<\/strong> de <em>R\$ 10<\/em>, veja <a href="https:\/\/loja\.test\/a\?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">/);
  assert.match(html, /<\/a>\. &lt;i&gt;snake_case_ok&lt;\/i&gt;<blockquote>antes<\/blockquote>• um$/);
  const parts = await page.evaluate(async () => {
    const { shown: nodes, brief } = await import("/console/content.js");
    const html = (message) => { const box = document.createElement("div"); box.append(...nodes(message)); return box.innerHTML; };
    const place = "data:image/png;base64,AAAA|https://maps.test/?q=1|MASP <b>, Paulista";
    const card = "BEGIN:VCARD\nVERSION:3.0\nN:Lima;Bruno;;;\nFN:Bruno <b>Lima\nTEL;type=CELL;waid=5511:+55 11 9\nEND:VCARD";
    return {
      place: html({ mediaType: "locationMessage", body: place }), card: html({ mediaType: "contactMessage", body: card }),
      odd: html({ mediaType: "locationMessage", body: "|javascript:alert(1)|x" }), file: html({ body: "a.pdf", mediaName: "a.pdf" }),
      briefs: [place, card, "*oi* _tudo_", null].map(brief),
    };
  });
  assert.equal(parts.place, '<a href="https://maps.test/?q=1" target="_blank" rel="noopener noreferrer">MASP &lt;b&gt;, Paulista</a>');
  assert.match(parts.card, /^<div class="contact-card"><strong>Bruno &lt;b&gt;Lima<\/strong><a href="tel:\+55119"/);
  assert.equal(parts.odd, "|javascript:alert(1)|x");
  assert.equal(parts.file, "");
  assert.deepEqual(parts.briefs, ["Localização: MASP <b>, Paulista", "Contato: Bruno <b>Lima", "oi tudo", ""]);
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
