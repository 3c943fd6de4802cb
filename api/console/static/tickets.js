// The ticket lists: one Map of tickets by id, filled by REST and moved by socket events.

import { call } from "./rest.js";
import { brief } from "./content.js";
import { byId, element, explain, paintAvatar, shortTime, toast } from "./dom.js";

export const TABS = [
  { status: "open", label: "Abertos", empty: "Nenhum atendimento aberto." },
  { status: "pending", label: "Aguardando", empty: "Ninguém está esperando." },
  { status: "closed", label: "Fechados", empty: "Nenhum atendimento fechado." },
];

export class TicketList {
  constructor(user, onSelect) {
    this.user = user;
    this.onSelect = onSelect;
    this.tickets = new Map();
    this.pages = {};
    this.tab = "open";
    this.selected = null;
    byId("search").oninput = () => this.render();
    byId("more").onclick = () => this.load(this.tab, this.pages[this.tab].page + 1);
  }

  query(status, page) {
    const seesAll = this.user.profile === "admin" || this.user.super;
    return new URLSearchParams({
      status,
      pageNumber: String(page),
      showAll: String(seesAll && status !== "closed"),
      queueIds: JSON.stringify((this.user.queues ?? []).map((queue) => queue.id)),
    });
  }

  async load(status, page = 1) {
    const data = await call("GET", `/tickets?${this.query(status, page)}`);
    if (page === 1) for (const [id, ticket] of this.tickets) if (ticket.status === status) this.tickets.delete(id);
    for (const ticket of data.tickets) this.tickets.set(ticket.id, ticket);
    this.pages[status] = { page, count: data.count, hasMore: data.hasMore };
    this.render();
  }

  reload() {
    return Promise.all(TABS.map((tab) => this.load(tab.status)));
  }

  put(ticket, fresh = false) {
    const known = this.tickets.get(ticket.id);
    this.tickets.set(ticket.id, { ...known, ...ticket });
    this.fresh = fresh ? ticket.id : null;
    this.count(known?.status, ticket.status);
    this.render();
  }

  remove(id, closed) {
    const known = this.tickets.get(id);
    if (!known) return;
    this.tickets.delete(id);
    this.count(known.status, closed ? "closed" : null);
    this.render();
  }

  count(from, to) {
    if (from === to) return;
    if (this.pages[from]) this.pages[from].count -= 1;
    if (this.pages[to]) this.pages[to].count += 1;
  }

  async open(tab) {
    this.show(tab);
    try {
      await this.load(tab); // what moved while nobody looked is told by the server, not guessed
    } catch (error) {
      toast(explain(error), true);
    }
  }

  show(tab) {
    this.tab = tab;
    this.render();
  }

  visible() {
    const wanted = byId("search").value.trim().toLocaleLowerCase();
    return [...this.tickets.values()]
      .filter((ticket) => ticket.status === this.tab)
      .filter((ticket) => !wanted || `${ticket.contact?.name} ${ticket.contact?.number} ${ticket.lastMessage}`.toLocaleLowerCase().includes(wanted))
      .sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1));
  }

  render() {
    byId("tabs").replaceChildren(...TABS.map((tab) => element("button", {
      type: "button", role: "tab", "aria-selected": String(tab.status === this.tab), onclick: () => this.open(tab.status),
    }, tab.label, element("b", {}, String(this.pages[tab.status]?.count ?? "…")))));
    const rows = this.visible();
    byId("tickets").replaceChildren(...rows.map((ticket) => this.row(ticket)));
    const empty = byId("tickets-empty");
    empty.hidden = rows.length > 0;
    empty.textContent = TABS.find((tab) => tab.status === this.tab).empty;
    byId("more").hidden = !this.pages[this.tab]?.hasMore;
  }

  row(ticket) {
    const name = ticket.contact?.name ?? "Contato";
    const unread = ticket.unreadMessages > 0;
    return element("li", {
      class: [ticket.id === this.selected && "on", ticket.id === this.fresh && "fresh"].filter(Boolean).join(" "),
      tabIndex: 0, "data-ticket": ticket.id,
      onclick: () => this.onSelect(ticket),
      onkeydown: (event) => { if (event.key === "Enter") this.onSelect(ticket); },
    },
    paintAvatar(element("div", { class: "avatar" }), name),
    element("span", { class: "name" }, name),
    element("span", { class: "time" }, shortTime(ticket.updatedAt)),
    element("span", { class: "last" }, brief(ticket.lastMessage) || " "),
    unread ? element("span", { class: "badge" }, String(ticket.unreadMessages)) : element("span"),
    element("span", { class: "chips" },
      element("span", { class: "chip", style: `--chip:${ticket.queue?.color ?? "transparent"}` }, ticket.queue?.name ?? "Sem fila"),
      ticket.whatsapp?.name && element("span", { class: "chip" }, ticket.whatsapp.name),
      ticket.user?.name && element("span", { class: "chip" }, ticket.user.name)));
  }
}
