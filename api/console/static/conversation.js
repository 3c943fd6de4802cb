// One open conversation: its messages, the composer and the ticket's actions.

import { call } from "./rest.js";
import { brief, shown } from "./content.js";
import { byId, clock, dayName, element, explain, paintAvatar, toast } from "./dom.js";

const MEDIA = { image: "img", sticker: "img", video: "video", audio: "audio" };
const TICKS = ["◷", "◷", "✓", "✓✓", "✓✓", "✓✓"];
const KINDS = {
  locationMessage: "Localização", contactMessage: "Contato", contactsArrayMessage: "Contatos", document: "Documento",
  application: "Documento", reactionMessage: "Reação", listMessage: "Lista", buttonsMessage: "Botões", interactiveMessage: "Interativa",
};

export class Conversation {
  constructor(user, onChange, onTyping) {
    this.user = user;
    this.onChange = onChange;
    this.onTyping = onTyping;
    this.typed = 0;
    this.ticket = null;
    this.messages = new Map();
    byId("composer").onsubmit = (event) => { event.preventDefault(); this.submit(); };
    byId("body").onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.submit(); }
    };
    byId("messages").addEventListener("load", () => this.stay(), true);
    byId("messages").addEventListener("loadedmetadata", () => this.stay(), true);
    byId("messages").onscroll = () => { const box = byId("messages"); this.atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80; };
    byId("body").oninput = () => { this.grow(); this.typing(); };
    byId("private").onchange = () => byId("composer").classList.toggle("noted", byId("private").checked);
  }

  async open(ticket) {
    this.ticket = ticket;
    this.typed = 0;
    this.messages.clear();
    this.page = 1;
    this.head();
    await this.load(1);
    byId("body").focus();
  }

  close() {
    this.ticket = null;
    byId("conversation").hidden = true;
    byId("chat-empty").hidden = false;
  }

  async load(page) {
    const id = this.ticket.id;
    const data = await call("GET", `/messages/${id}?pageNumber=${page}&markAsRead=true`);
    if (this.ticket?.id !== id) return;
    for (const message of data.messages) this.messages.set(message.id, message);
    this.page = page;
    this.hasMore = data.hasMore;
    this.prepended = page > 1;
    if (data.ticket) { this.ticket = { ...this.ticket, ...data.ticket }; this.head(); }
    this.render(page === 1);
  }

  head() {
    const { ticket } = this;
    byId("conversation").hidden = false;
    byId("chat-empty").hidden = true;
    paintAvatar(byId("chat-avatar"), ticket.contact?.name);
    byId("chat-name").textContent = ticket.contact?.name ?? "Contato";
    byId("chat-sub").textContent = [
      ticket.contact?.number, ticket.whatsapp?.name, ticket.queue?.name ?? "Sem fila", ticket.user?.name && `com ${ticket.user.name}`, `nº ${ticket.id}`,
    ].filter(Boolean).join(" · ");
    const buttons = [];
    if (ticket.status === "pending") buttons.push(["Aceitar", "primary", { status: "open", userId: this.user.id }]);
    if (ticket.status === "open") buttons.push(["Devolver", "", { status: "pending", userId: null }]);
    if (["open", "pending"].includes(ticket.status)) buttons.push(["Resolver", "danger", { status: "closed", userId: this.user.id }]);
    if (ticket.status === "closed") buttons.push(["Reabrir", "primary", { status: "open", userId: this.user.id }]);
    byId("actions").replaceChildren(...buttons.map(([label, style, change]) => element("button", {
      type: "button", class: style, onclick: (event) => this.change(event.target, change),
    }, label)));
    const closed = ticket.status === "closed";
    byId("composer").hidden = closed;
    byId("closed-hint").hidden = !closed;
    byId("closed-hint").textContent = "Atendimento fechado. Reabra para responder.";
  }

  async change(button, change) {
    button.disabled = true;
    try {
      const reply = await call("PUT", `/tickets/${this.ticket.id}`, change);
      const ticket = reply?.ticket ?? reply;
      this.onChange({ ...this.ticket, ...change, ...(ticket?.id ? ticket : {}) });
    } catch (error) {
      toast(explain(error), true);
      button.disabled = false;
    }
  }

  refresh(ticket) {
    if (ticket.id !== this.ticket?.id) return;
    this.ticket = { ...this.ticket, ...ticket };
    this.head();
  }

  stay() {
    const box = byId("messages");
    if (this.atEnd) box.scrollTop = box.scrollHeight;
  }

  // The customer sees it for a while: once in a few seconds is enough.
  typing() {
    const writes = byId("body").value.trim() && !byId("private").checked && this.ticket?.status === "open";
    if (!writes || Date.now() - this.typed < 8000) return;
    this.typed = Date.now();
    this.onTyping(this.ticket.id);
  }

  grow() {
    const body = byId("body");
    body.style.height = "auto";
    body.style.height = `${Math.min(140, body.scrollHeight + 2)}px`;
  }

  async submit() {
    const text = byId("body").value.trim();
    if (!text || this.sending) return;
    this.sending = true;
    // The same text sent again after a failure carries the same key: it cannot reach the customer twice.
    if (this.pendingText !== text) { this.pendingText = text; this.key = `${Date.now()}-${Math.random().toString(36).slice(2)}`; }
    const isPrivate = byId("private").checked;
    try {
      await call("POST", `/messages/${this.ticket.id}`, {
        read: 1, fromMe: true, mediaUrl: "", body: text, quotedMsg: null, isPrivate: String(isPrivate),
      }, { "idempotency-key": this.key });
      this.pendingText = null;
      byId("body").value = "";
      byId("private").checked = false;
      byId("composer").classList.remove("noted");
      this.grow();
    } catch (error) {
      toast(explain(error), true);
    } finally {
      this.sending = false;
    }
  }

  receive(message) {
    if (message.ticketId !== this.ticket?.id) return;
    const created = !this.messages.has(message.id);
    this.messages.set(message.id, { ...this.messages.get(message.id), ...message });
    this.render(created);
    if (created && !message.fromMe && document.visibilityState === "visible") {
      call("GET", `/messages/${this.ticket.id}?pageNumber=1&markAsRead=true`).catch((error) => toast(explain(error), true));
    }
  }

  render(toEnd) {
    const box = byId("messages");
    const height = box.scrollHeight;
    // Whoever reads the end stays there, also when an answer or a picture makes the page grow.
    this.atEnd = toEnd || height - box.scrollTop - box.clientHeight < 80;
    const rows = [];
    let day = null;
    if (this.hasMore) rows.push(element("button", { class: "quiet older", type: "button", onclick: () => this.load(this.page + 1) }, "Mensagens anteriores"));
    const sorted = [...this.messages.values()].sort((a, b) => a.id - b.id);
    for (const message of sorted) {
      const name = dayName(message.createdAt);
      if (name !== day) rows.push(element("div", { class: "day" }, (day = name)));
      rows.push(this.bubble(message));
    }
    box.replaceChildren(...rows);
    if (this.atEnd) box.scrollTop = box.scrollHeight;
    else if (this.prepended) box.scrollTop += box.scrollHeight - height;
    this.prepended = false;
  }

  bubble(message) {
    const classes = ["bubble", message.fromMe && "mine", message.isPrivate && "note", message.isDeleted && "deleted"];
    const failed = message.error || message.ack === -1;
    const read = message.ack >= 4;
    return element("div", { class: classes.filter(Boolean).join(" "), "data-message": message.id },
      message.quotedMsg && element("div", { class: "quote" }, brief(message.quotedMsg.body)),
      KINDS[message.mediaType] && element("span", { class: "kind" }, KINDS[message.mediaType]),
      this.media(message),
      element("div", { class: "text" }, message.isDeleted && "Apagada: ", ...shown(message)),
      element("small", {},
        message.isPrivate && element("span", {}, "nota interna"), message.isEdited && element("span", {}, "editada"),
        element("span", {}, clock(message.createdAt)),
        message.fromMe && !message.isPrivate && element("span", {
          class: failed ? "tick failed" : read ? "tick read" : "tick", title: failed ? "Não confirmada" : "",
        }, failed ? "!" : TICKS[message.ack] ?? "◷")));
  }

  media(message) {
    if (!message.mediaUrl) return null;
    const tag = MEDIA[message.mediaType];
    if (tag === "img") return element("img", { class: message.mediaType, src: message.mediaUrl, alt: message.body ?? "", loading: "lazy" });
    if (tag) return element(tag, { src: message.mediaUrl, controls: true, preload: "metadata" });
    return element("a", { class: "file", href: message.mediaUrl, target: "_blank", rel: "noopener noreferrer" }, message.mediaName || "Abrir arquivo");
  }
}
