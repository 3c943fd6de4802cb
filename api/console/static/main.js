// Entry: session, routes by location hash, and the wiring of socket events to the pages.

import { call, currentToken, login, logout, refresh, whenLoggedOut } from "./rest.js";
import { byId, explain, toast } from "./dom.js";
import { Conversation } from "./conversation.js";
import { Socket } from "./socket.js";
import { SupervisorPage } from "./supervisor.js";
import { TABS, TicketList } from "./tickets.js";

let user = null;
let socket = null;
let list = null;
let conversation = null;
const supervisor = new SupervisorPage();

function live(state, text) {
  byId("live").className = `live ${state}`;
  byId("live").lastElementChild.textContent = text;
}

function enter(loggedIn) {
  user = loggedIn;
  byId("login").hidden = true;
  byId("shell").hidden = false;
  byId("who").textContent = user.name;
  byId("nav-supervisor").hidden = !user.super;
  list = new TicketList(user, (ticket) => { location.hash = `#/inbox/${ticket.id}`; });
  conversation = new Conversation(user, changed, (ticketId) => socket?.emit("presenceUpdate", { ticketId, presence: "composing" }));
  socket = new Socket(currentToken, { ready: join, event: receive, lost: () => live("off", "Reconectando…"), refused: renewed });
  route();
}

function leave() {
  socket?.stop();
  supervisor.stop();
  user = socket = null;
  byId("shell").hidden = true;
  byId("login").hidden = false;
}

async function renewed() {
  try {
    await refresh();
  } catch {
    leave();
  }
}

// The server speaks first (`ready`); what happened before is read again, so no gap can stay unseen.
async function join() {
  live("on", "Ao vivo");
  socket.emit("joinNotification");
  for (const status of ["open", "pending", "closed"]) socket.emit("joinTickets", status);
  if (conversation.ticket) socket.emit("joinChatBox", String(conversation.ticket.id));
  try {
    await list.reload();
    if (conversation.ticket) await conversation.load(1);
  } catch (error) {
    toast(explain(error), true);
  }
}

function receive(name, data) {
  const noun = name.replace(/^company-\d+-/, "");
  if (noun === "ticket") ticketEvent(data);
  else if (noun === "appMessage") messageEvent(data);
  else if (noun === "auth" && data.user?.id === user.id) toast("Sua conta entrou em outro lugar.");
}

function ticketEvent(data) {
  if (data.action === "delete" || data.action === "removeFromList") list.remove(data.ticketId);
  else if (data.action === "updateUnread") list.tickets.has(data.ticketId) && list.put({ id: data.ticketId, unreadMessages: 0, status: list.tickets.get(data.ticketId).status });
  else if (data.ticket) changed(data.ticket, data.action === "create");
}

function messageEvent(data) {
  if (data.ticket) changed(data.ticket, data.action === "create" && !data.message.fromMe);
  conversation.receive(data.message);
}

function changed(ticket, fresh = false) {
  const moved = ticket.id === conversation.ticket?.id && ticket.status !== conversation.ticket.status;
  list.put(ticket, fresh);
  conversation.refresh(ticket);
  if (moved && TABS.some((tab) => tab.status === ticket.status)) list.show(ticket.status);
}

async function openTicket(id) {
  const previous = conversation.ticket?.id;
  if (previous && previous !== id) socket.emit("leaveChatBox", String(previous));
  socket.emit("joinChatBox", String(id));
  list.selected = id;
  byId("inbox").classList.add("open");
  try {
    const ticket = list.tickets.get(id) ?? (await call("GET", `/tickets/${id}`));
    if (["open", "pending", "closed"].includes(ticket.status)) list.show(ticket.status);
    await conversation.open(ticket);
    list.put({ ...list.tickets.get(id), ...ticket, unreadMessages: 0 });
  } catch (error) {
    toast(explain(error), true);
    location.hash = "#/inbox";
  }
}

function route() {
  if (!user) return;
  const [, page, id] = location.hash.split("/");
  const onSupervisor = page === "supervisor" && user.super;
  byId("supervisor").hidden = !onSupervisor;
  byId("inbox").hidden = onSupervisor;
  for (const link of document.querySelectorAll("[data-nav]")) link.classList.toggle("on", link.dataset.nav === (onSupervisor ? "supervisor" : "inbox"));
  if (onSupervisor) supervisor.start();
  else supervisor.stop();
  if (onSupervisor) return;
  if (id) {
    openTicket(Number(id));
  } else {
    byId("inbox").classList.remove("open");
    list.selected = null;
    conversation.close();
    list.render();
  }
}

byId("login-form").onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  const failure = byId("login-error");
  failure.hidden = true;
  form.querySelector("button").disabled = true;
  try {
    enter(await login(form.email.value, form.password.value));
    form.reset();
  } catch (error) {
    failure.textContent = explain(error);
    failure.hidden = false;
  } finally {
    form.querySelector("button").disabled = false;
  }
};
byId("logout").onclick = () => logout().catch((error) => toast(explain(error), true));
byId("back").onclick = () => { location.hash = "#/inbox"; };
window.addEventListener("hashchange", route);
whenLoggedOut(leave);

refresh().then(enter, leave);
