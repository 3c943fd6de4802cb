// The live supervision tree, polled every two seconds while its page is shown: supervisors, the
// kinds of actor under each, and the busiest actors of every kind.

import { call } from "./rest.js";
import { byId, element, explain, toast } from "./dom.js";

const POLL_MS = 2000;
const BUSIEST = 100;
const number = new Intl.NumberFormat("pt-BR");
const STATES = { running: "ativo", idle: "ocioso", starting: "iniciando", stopping: "parando", stopped: "parado", "backing off": "aguardando" };
const REASONS = { stopped: "ator parado", expired: "prazo vencido", rejected: "fila cheia", dropped: "descartada", unknown: "sem destino" };

function time(seconds) {
  if (!seconds) return "—";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1e3).toFixed(1)} ms` : `${seconds.toFixed(1)} s`;
}

const name = (actor) => `${actor.kind} ${[actor.key].flat().join(" / ")}`.trim();
const sum = (rows, field) => rows.reduce((total, row) => total + row[field], 0);

export class SupervisorPage {
  start() {
    this.stop();
    this.poll();
    this.timer = setInterval(() => this.poll(), POLL_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.before = null;
  }

  async poll() {
    let status;
    try {
      status = await call("GET", `/supervisor?limit=${BUSIEST}`);
    } catch (error) {
      toast(explain(error), true);
      return;
    }
    this.render(status);
  }

  render(status) {
    this.tiles(status);
    byId("tree").replaceChildren(...status.supervisors.flatMap((supervisor) => this.branch(supervisor, status)));
    byId("tree-age").textContent = `atualizada às ${new Date().toLocaleTimeString("pt-BR")}`;
    const letters = Object.entries(status.deadLettersByReason);
    byId("dead-card").hidden = letters.length === 0;
    byId("dead").replaceChildren(...letters.map(([reason, count]) => element("tr", {},
      element("td", {}, REASONS[reason] ?? reason), element("td", { class: "num" }, number.format(count)))));
  }

  tiles(status) {
    const handled = sum(status.kinds, "handled");
    const now = performance.now();
    const rate = this.before ? ((handled - this.before.handled) / (now - this.before.now)) * 1000 : 0;
    this.before = { handled, now };
    const tiles = [
      ["Atores", status.totalActors], ["Comandos por segundo", Math.max(0, Math.round(rate))], ["Na fila", sum(status.kinds, "queued")],
      ["Falhas", sum(status.kinds, "crashes")], ["Recusas", sum(status.kinds, "refused")], ["Cartas mortas", status.deadLetters],
    ];
    byId("tiles").replaceChildren(...tiles.map(([label, value]) => element("div", { class: "tile" },
      element("b", {}, number.format(value)), element("span", {}, label))));
  }

  branch(supervisor, status) {
    const kinds = status.kinds.filter((kind) => kind.supervisor === supervisor.path);
    return [
      this.row({ depth: 0, group: true, label: supervisor.path, state: supervisor.state, restarts: supervisor.restarts, error: supervisor.lastError }),
      ...kinds.flatMap((kind) => [
        this.row({ depth: 1, group: true, label: `${kind.kind} (${number.format(kind.live)} de ${number.format(kind.actors)})`, queued: kind.queued, handled: kind.handled, mean: kind.mean, slow: kind.p99, restarts: kind.crashes }),
        ...status.actors.filter((actor) => actor.kind === kind.kind).map((actor) => this.row({
          depth: 2, label: name(actor), state: actor.current ? `${actor.current}` : actor.state, raw: actor.state, queued: actor.depth,
          handled: actor.handled, mean: actor.mean, slow: actor.longest, restarts: actor.restarts, error: actor.lastError,
        })),
      ]),
    ];
  }

  row({ depth, group, label, state, raw, queued, handled, mean, slow, restarts, error }) {
    const bad = /back|fail|stop/.test(raw ?? state ?? "");
    const style = bad ? "bad" : state === "idle" ? "idle" : "";
    const count = (value) => element("td", { class: "num" }, value === undefined ? "" : number.format(value));
    return element("tr", { class: group ? "group" : "" },
      element("td", { style: `padding-left:${10 + 20 * depth}px` }, label),
      element("td", {}, state ? element("span", { class: `state ${style}` }, STATES[state] ?? state) : ""),
      count(queued), count(handled),
      element("td", { class: "num" }, handled === undefined ? "" : time(mean)),
      element("td", { class: "num" }, handled === undefined ? "" : time(slow)),
      count(restarts), element("td", {}, error ?? ""));
  }
}
