// Shows /v1/openapi.json. All text goes into the page as text, never as markup.
"use strict";

let api;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

// What a reference stands for, and its name.
function resolved(value) {
  const link = value && value.$ref;
  if (!link) return value;
  const found = link.slice(2).split("/").reduce((at, key) => at && at[key], api);
  return { ...found, ...value, name: link.split("/").pop() };
}

// Fields of an object, with those of the parts that it is made of.
function fields(schema) {
  const parts = (schema.allOf || []).map(resolved);
  const required = new Set(parts.flatMap((part) => part.required || []).concat(schema.required || []));
  const properties = Object.assign({}, ...parts.map((part) => part.properties), schema.properties);
  return Object.entries(properties).map(([name, field]) => [name, field, required.has(name)]);
}

// The one schema of one that may be null, and whether it may.
function choices(schema) {
  const all = (schema.oneOf || [schema]).map(resolved);
  const real = all.filter((one) => one.type !== "null");
  return [real, real.length < all.length || [].concat(schema.type).includes("null")];
}

function kind(schema) {
  const [all, nullable] = choices(resolved(schema));
  const words = all.map((one) => {
    if (one.type === "array") return `list of ${kind(one.items)}`;
    return one.name || [].concat(one.type || "object").filter((word) => word !== "null").join(" or ");
  });
  return words.join(" or ") + (nullable ? " or null" : "");
}

function bounds(schema) {
  const one = choices(resolved(schema))[0][0] || {};
  const words = [];
  const say = (word, value) => { if (value !== undefined) words.push(`${word} ${value}`); };
  say("format", one.format);
  say("at least", one.minimum);
  say("at most", one.maximum);
  say("shortest", one.minLength);
  say("longest", one.maxLength);
  say("least items", one.minItems);
  say("most items", one.maxItems);
  say("pattern", one.pattern);
  if (one.enum) words.push(`one of ${one.enum.join(", ")}`);
  if (one.default !== undefined) words.push(`${JSON.stringify(one.default)} if absent`);
  return words.join("; ");
}

function description(value) {
  const all = [value, ...(value.oneOf || [])];
  return (all.find((one) => one.description) || resolved(value)).description || "";
}

function row(name, value, schema, note) {
  const said = element("td", "", description(value), element("div", "note", bounds(schema)));
  const inner = nested(schema);
  if (inner) said.append(inner);
  return element("tr", "", element("td", "", element("code", "", name)),
    element("td", "", kind(schema), note ? element("div", "note", note) : ""), said);
}

// Objects in objects are opened when they are asked for: some hold their own kind.
function nested(schema) {
  const one = choices(resolved(schema))[0][0];
  if (!one) return undefined;
  if (one.type === "array") return nested(one.items);
  if (!fields(one).length) return undefined;
  const made = element("details", "", element("summary", "", "fields"));
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(table(one));
  });
  return made;
}

function table(schema) {
  const rows = fields(schema).map(([name, field, required]) => row(name, field, field, required ? "required" : ""));
  return element("table", "", ...rows);
}

function content(parts) {
  return Object.entries(parts || {}).map(([type, part]) => {
    const shown = element("div", "", element("div", "note", `${type}: ${part.schema ? kind(part.schema) : "bytes"}`));
    for (const one of part.schema ? choices(resolved(part.schema))[0] : []) {
      if (fields(one).length) shown.append(table(one));
    }
    const examples = part.example === undefined ? Object.entries(part.examples || {}) : [["example", { value: part.example }]];
    for (const [name, example] of examples) {
      const text = JSON.stringify(resolved(example).value, null, 2);
      shown.append(element("details", "", element("summary", "", name), element("pre", "", text)));
    }
    return shown;
  });
}

function operation(path, method, it) {
  const made = element("details", it.deprecated ? "operation deprecated" : "operation");
  made.id = it.operationId;
  made.append(element("summary", "", element("span", "method", method.toUpperCase()), element("span", "path", path), " ",
    element("span", "summary", it.summary || "")));
  made.addEventListener("toggle", () => {
    if (!made.open || made.children.length > 1) return;
    made.append(element("p", "note", `action ${it.operationId}`, it.deprecated ? " · deprecated" : ""));
    if (it.description) made.append(element("p", "", it.description));
    if (it.parameters) {
      const rows = it.parameters.map((one) => row(one.name, one, one.schema, one.required ? `${one.in}, required` : one.in));
      made.append(element("h3", "", "Parameters"), element("table", "", ...rows));
    }
    if (it.requestBody) made.append(element("h3", "", "Body"), ...content(it.requestBody.content));
    for (const [status, answer] of Object.entries(it.responses).map(([status, one]) => [status, resolved(one)])) {
      const shown = element("details", "", element("summary", "", element("code", "", status), " ", answer.description || ""));
      shown.append(...content(answer.content));
      made.append(shown);
    }
  });
  return made;
}

function show() {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, it] of Object.entries(item)) {
      if (!it.operationId) continue;
      const tag = (it.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, element("section", "", element("h2", "", tag)));
      groups.get(tag).append(operation(path, method, it));
    }
  }
  document.getElementById("operations").replaceChildren(element("p", "", api.info.description), ...groups.values());
  open();
}

function open() {
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll("section")) {
    let some = false;
    for (const one of section.querySelectorAll("details.operation")) {
      const said = `${one.id} ${one.firstChild.textContent}`.toLowerCase();
      one.hidden = !words.every((word) => said.includes(word));
      some ||= !one.hidden;
    }
    section.hidden = !some;
  }
}

document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
addEventListener("hashchange", open);
fetch("/v1/openapi.json")
  .then((answer) => answer.json())
  .then((document) => { api = document; show(); })
  .catch((error) => { document.getElementById("operations").textContent = `The document cannot be shown: ${error}`; });
