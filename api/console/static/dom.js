// Small DOM and text tools. Text always enters the page as text, never as HTML.

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") node.style.cssText = value;
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const COLOURS = ["#0b7f6a", "#2563b8", "#8a4fbf", "#b4532a", "#a03b6b", "#4d7c0f", "#0e7490", "#7c5e10"];

export function paintAvatar(node, name) {
  const words = (name || "?").replace(/[^\p{L}\p{N} ]/gu, "").trim().split(/\s+/);
  node.textContent = ((words[0]?.[0] ?? "?") + (words.length > 1 ? words.at(-1)[0] : "")).toUpperCase();
  let hash = 0;
  for (const letter of name || "?") hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  node.style.background = COLOURS[hash % COLOURS.length];
  return node;
}

const CLOCK = new Intl.DateTimeFormat("pt-BR", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "long", year: "numeric" });
const SHORT = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "2-digit" });

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

export const clock = (iso) => CLOCK.format(new Date(iso));

export function dayName(iso) {
  const days = Math.round((startOfDay(new Date()) - startOfDay(new Date(iso))) / 86400000);
  return days === 0 ? "Hoje" : days === 1 ? "Ontem" : DAY.format(new Date(iso));
}

export function shortTime(iso) {
  if (!iso) return "";
  return startOfDay(new Date(iso)) === startOfDay(new Date()) ? clock(iso) : SHORT.format(new Date(iso));
}

export function toast(text, bad = false) {
  const node = element("div", { class: bad ? "toast bad" : "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), 5000);
}

const KNOWN = {
  ERR_INVALID_CREDENTIALS: "E-mail ou senha incorretos.",
  ERR_OUT_OF_HOURS: "Fora do seu horário de trabalho.",
  ERR_TOO_MANY_REQUESTS: "Muitas tentativas. Aguarde um momento.",
  ERR_OTHER_OPEN_TICKET: "Este contato já tem outro atendimento aberto.",
  ERR_NO_TICKET_FOUND: "Atendimento não encontrado.",
  ERR_NO_PERMISSION: "Você não tem permissão para isto.",
  ERR_WAPP_NOT_INITIALIZED: "A conexão deste atendimento está desligada.",
  ERR_SESSION_EXPIRED: "Sua sessão terminou. Entre de novo.",
  ERR_UNAVAILABLE: "Serviço ocupado. Tente de novo em instantes.",
};

export const explain = (error) => KNOWN[error.code] ?? (error.status ? `Erro ${error.status}: ${error.code}` : "Sem conexão com o servidor.");
