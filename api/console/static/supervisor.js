// The live supervision tree, polled every two seconds while its page is shown.

import { call } from "./rest.js";
import { byId, element, explain, toast } from "./dom.js";

const number = new Intl.NumberFormat("pt-BR");
const time = (seconds) => (seconds === null || seconds === undefined ? "—" : seconds < 0.001 ? `${Math.round(seconds * 1e6)} µs` : seconds < 1 ? `${(seconds * 1e3).toFixed(1)} ms` : `${seconds.toFixed(1)} s`);

export class SupervisorPage {
  start() {
    this.stop();
    this.poll();
    this.timer = setInterval(() => this.poll(), 2000);
  }

  stop() {
    clearInterval(this.timer);
  }

  async poll() {
    try {
      this.render(await call("GET", "/supervisor"));
    } catch (error) {
      toast(explain(error), true);
    }
  }

  render(status) {
    byId("tiles").replaceChildren(...(status.tiles ?? []).map((tile) => element("div", { class: "tile" },
      element("b", {}, typeof tile.value === "number" ? number.format(tile.value) : String(tile.value)), element("span", {}, tile.label))));
    byId("tree").replaceChildren(...(status.actors ?? []).map((actor) => this.row(actor)));
    byId("tree-age").textContent = `atualizada às ${new Date().toLocaleTimeString("pt-BR")}`;
    const dead = status.deadLetters ?? [];
    byId("dead-card").hidden = dead.length === 0;
    byId("dead").replaceChildren(...dead.map((letter) => element("tr", {},
      element("td", {}, letter.command), element("td", {}, letter.address), element("td", {}, letter.reason))));
  }

  row(actor) {
    const bad = ["backing_off", "failed", "stopped"].includes(actor.state);
    const indent = { style: `padding-left:${10 + 20 * (actor.depth ?? 0)}px` };
    return element("tr", { class: actor.group ? "group" : "" },
      element("td", indent, actor.name),
      element("td", {}, element("span", { class: `state ${bad ? "bad" : actor.state === "idle" ? "idle" : ""}` }, actor.state ?? "")),
      element("td", { class: "num" }, number.format(actor.mailbox ?? 0)),
      element("td", { class: "num" }, number.format(actor.handled ?? 0)),
      element("td", { class: "num" }, time(actor.mean)),
      element("td", { class: "num" }, time(actor.slowest)),
      element("td", { class: "num" }, number.format(actor.restarts ?? 0)),
      element("td", {}, actor.lastError ?? ""));
  }
}
