// What a message says, as nodes: WhatsApp's marks, links, places and contact cards. Only text nodes
// and elements made here; nothing of a message becomes HTML.

import { element } from "./dom.js";

const MARKS = { "*": "strong", _: "em", "~": "s" };
const INLINE = /```([\s\S]+?)```|`([^`\n]+)`|(https?:\/\/[^\s<>"']+)|(?<![\p{L}\p{N}])([*_~])(?=\S)((?:(?!\4)[^\n])*?\S)\4(?![\p{L}\p{N}])/gu;
const PLACE = /^(data:image\/[\w.+-]+;base64,[^|]*|https?:[^|]*|)\|(https?:\/\/[^|]*)\|?([\s\S]*)$/;
const link = (href, ...text) => element("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...text);

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, block, code, url, mark, inner] = found;
    nodes.push(text.slice(from, found.index));
    from = found.index + whole.length;
    if (url) {
      const kept = url.replace(/[.,;:!?)\]}]+$/, "");
      nodes.push(link(kept, kept));
      from -= url.length - kept.length;
    } else if (mark) nodes.push(element(MARKS[mark], {}, ...inline(inner)));
    else nodes.push(element("code", {}, block ?? code));
  }
  return [...nodes, text.slice(from)].filter((node) => node !== "");
}

export function formatted(text) {
  const nodes = [];
  text.split(/^(> .*(?:\n> .*)*)$/m).forEach((part, place) => {
    if (place % 2) nodes.push(element("blockquote", {}, ...inline(part.replace(/^> /gm, ""))));
    else if (part.trim()) nodes.push(...inline(part.replace(/^\n|\n$/g, "").replace(/^[-*] /gm, "• ")));
  });
  return nodes;
}

function fields(card) {
  const lines = card.replace(/\r/g, "").split("\n").map((line) => /^(?:item\d+\.)?([A-Za-z]+)[^:]*:(.*)$/.exec(line)).filter(Boolean);
  const all = (name) => lines.filter(([, field]) => field.toUpperCase() === name).map(([, , value]) => value.replace(/\\n/g, " ").replace(/\\(.)/g, "$1").replace(/;+$/, "").trim()).filter(Boolean);
  return { name: all("FN")[0] ?? all("N")[0] ?? "Contato", organization: all("ORG")[0], phones: all("TEL"), emails: all("EMAIL") };
}

const cards = (body) => body.split(/(?=BEGIN:VCARD)/).filter((part) => part.startsWith("BEGIN:VCARD")).map(fields);

function contactCard({ name, organization, phones, emails }) {
  return element("div", { class: "contact-card" }, element("strong", {}, name), organization && element("span", {}, organization),
    ...phones.map((phone) => link(`tel:${phone.replace(/[^\d+]/g, "")}`, phone)), ...emails.map((email) => link(`mailto:${email}`, email)));
}

// The nodes of a message's body; `name` is its file's, which the file's own link shows already.
export function shown({ body, mediaType, mediaName }) {
  const text = body ?? "";
  const place = mediaType === "locationMessage" && PLACE.exec(text);
  if (place) return [link(place[2], place[3].trim() || "Abrir no mapa")];
  const people = text.startsWith("BEGIN:VCARD") ? cards(text) : [];
  if (people.length) return people.map(contactCard);
  return text === mediaName ? [] : formatted(text);
}

// One line for lists and quotes, without marks.
export function brief(text) {
  const place = PLACE.exec(text ?? "");
  if (place) return `Localização: ${place[3].trim() || "mapa"}`;
  if (text?.startsWith("BEGIN:VCARD")) return `Contato: ${cards(text).map((card) => card.name).join(", ")}`;
  const box = element("div", {}, ...formatted(text ?? ""));
  return box.textContent.trim();
}
