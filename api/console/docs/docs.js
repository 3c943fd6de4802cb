// The API page: everything is read from /openapi.json, and every call can be tried.

import { element } from "../console/dom.js";
import { tried } from "./trying.js";
import { resolved, typeName } from "./schemas.js";

const byId = (id) => document.getElementById(id);
let api;

const ticked = (text) => text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));

function fieldsTable(schema) {
  const found = resolved(schema, api);
  const fields = Object.entries(found.properties ?? {});
  if (!fields.length) return element("p", { className: "muted" }, typeName(schema, api));
  const rows = fields.map(([name, own]) => {
    const needed = found.required?.includes(name) ? " *" : "";
    return element("tr", {}, element("td", {}, name + needed), element("td", { className: "muted" }, typeName(own, api)));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function answersTable(operation) {
  const rows = Object.entries(operation.responses).map(([code, answer]) => {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    const shape = schema ? ` · ${typeName(schema, api)}` : "";
    return element("tr", {}, element("td", {}, code), element("td", { className: "muted" }, answer.description + shape));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function description(operation) {
  const parts = [];
  if (operation.description) parts.push(element("p", {}, ...ticked(operation.description)));
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema) {
    parts.push(element("h3", {}, `Body: ${Object.keys(operation.requestBody.content).join(" or ")}`), fieldsTable(schema));
  }
  const success = Object.entries(operation.responses).find(([code]) => code.startsWith("2"));
  const reply = Object.values(success?.[1].content ?? {})[0]?.schema;
  if (reply) parts.push(element("h3", {}, `Reply: ${typeName(reply, api)}`), fieldsTable(reply.type === "array" ? reply.items : reply));
  parts.push(element("h3", {}, "Answers"), answersTable(operation));
  return element("div", {}, ...parts);
}

function access(operation) {
  if (!operation.security) return "public";
  return "connection" in operation.security[0] ? "connection token" : "login";
}

function shown({ method, path, operation }) {
  const head = [
    element("span", { className: `method ${method}` }, method.toUpperCase()),
    element("span", { className: "path" }, path),
    element("span", { className: "tail muted" }, ...ticked(operation.summary), element("span", { className: "badge" }, access(operation))),
  ];
  if (operation["x-not-built"]) head.push(element("span", { className: "badge later" }, "not built yet"));
  const details = element("details", { className: "operation", id: operation.operationId }, element("summary", {}, ...head));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(element("div", { className: "inside" }, description(operation), tried(api, method, path, operation, () => byId("token").value)));
  });
  return details;
}

function operations(words) {
  const found = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const text = `${method} ${path} ${operation.summary} ${operation.tags}`.toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
      const tag = operation.tags[0];
      if (!found.has(tag)) found.set(tag, []);
      found.get(tag).push({ method, path, operation });
    }
  }
  return found;
}

function draw() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = operations(words);
  byId("tags").replaceChildren(
    ...[...found].map(([tag, list]) =>
      element("li", {}, element("a", { href: `#tag-${tag}` }, tag, element("span", { className: "muted" }, String(list.length)))),
    ),
  );
  const parts = [...found].flatMap(([tag, list]) => [element("h2", { id: `tag-${tag}` }, tag), ...list.map(shown)]);
  byId("operations").replaceChildren(...(parts.length ? parts : [element("p", { className: "muted" }, "Nothing fits.")]));
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ email: byId("email").value, password: byId("password").value });
  const answer = await fetch("/auth/login", { method: "POST", headers: { "content-type": "application/json" }, body });
  const said = await answer.json();
  byId("password").value = "";
  byId("token").value = said.token ?? "";
  byId("version").textContent = said.token ? `logged in as ${said.user.name}` : said.error;
});
byId("filter").addEventListener("input", draw);

api = await (await fetch("/openapi.json")).json();
byId("version").textContent = `API ${api.info.version} · OpenAPI ${api.openapi}`;
draw();
if (location.hash) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
  target?.scrollIntoView();
}
