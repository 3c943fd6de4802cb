// The form that sends one call and shows what came back.

import { element } from "../console/dom.js";
import { start } from "./schemas.js";

function input(parameter) {
  const box = element("input", { placeholder: parameter.description ?? parameter.schema?.type ?? "", spellcheck: false });
  box.required = parameter.required;
  return { parameter, box, row: element("label", {}, parameter.name + (parameter.required ? " *" : ""), box) };
}

function address(path, inputs) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { parameter, box } of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(box.value));
    if (parameter.in === "query" && box.value) query.append(parameter.name, box.value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

function headers(inputs, token, body) {
  const found = token ? { authorization: `Bearer ${token}` } : {};
  if (body !== undefined) found["content-type"] = "application/json";
  for (const { parameter, box } of inputs) {
    if (parameter.in === "header" && box.value) found[parameter.name] = box.value;
  }
  return found;
}

async function readable(answer) {
  const kind = answer.headers.get("content-type") ?? "";
  if (!kind.includes("json") && !kind.startsWith("text/")) return `(${kind || "empty"}, ${(await answer.blob()).size} bytes)`;
  const text = await answer.text();
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text || "(empty)";
  }
}

/** A form for `operation`; `token` tells the bearer token of the moment. */
export function tried(api, method, path, operation, token) {
  const inputs = (operation.parameters ?? []).map(input);
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const body = schema && element("textarea", { spellcheck: false, value: JSON.stringify(start(schema, api), null, 2) });
  body?.setAttribute("aria-label", "Body");
  const status = element("span", { className: "status" });
  const output = element("pre", { hidden: true });
  const form = element("form", {}, element("h3", {}, "Try it"), ...inputs.map(({ row }) => row));
  if (body) form.append(body);
  form.append(element("p", { className: "row" }, element("button", { className: "primary" }, "Send"), status), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const began = performance.now();
    status.textContent = "…";
    try {
      const answer = await fetch(address(path, inputs), {
        method: method.toUpperCase(),
        headers: headers(inputs, token(), body?.value),
        body: body?.value,
      });
      output.textContent = await readable(answer);
      status.textContent = `${answer.status} in ${Math.round(performance.now() - began)} ms`;
      status.className = answer.ok ? "status ok" : "status no";
    } catch (error) {
      output.textContent = String(error);
      status.textContent = "no answer";
      status.className = "status no";
    }
    output.hidden = false;
  });
  return form;
}
