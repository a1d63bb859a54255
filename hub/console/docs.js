/** The API's page, made from /openapi.json as it is: calls, scopes, shapes. */

import { byId, h } from "/console/dom.js";
import { currentLanguage } from "/console/language.js";
import { applyWords, switchLanguage, t } from "/console/words.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const REF = "#/components/schemas/";

let described = null;

function draw() {
  applyWords();
  byId("language").textContent = t("otherLanguage");
  byId("language").lang = currentLanguage() === "en" ? "zh-Hant" : "en";
  document.title = t("docsTitle");
  if (!described) return;
  const open = new Set([...document.querySelectorAll("details[open]")].map((shown) => shown.id));
  byId("version").textContent = described.info.version;
  byId("about").textContent = described.info.description;
  byId("routes").replaceChildren(...Object.entries(described.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => routeCard(method, path, methods[method]))));
  byId("schemas").replaceChildren(...Object.entries(described.components.schemas).map(schemaCard));
  for (const id of open) byId(id)?.setAttribute("open", "");
}

function routeCard(method, path, operation) {
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  return h("details", { id: `${method}:${path}` },
    h("summary", h(`span.method.badge.${method === "get" ? "good" : "wait"}`, method.toUpperCase()),
      h("code", path), h("span", { lang: "en" }, operation.summary)),
    h("div.inside",
      h("h3", t("docsScopes")), h("p", operation["x-scopes"].join(", ") || t("docsOpen")),
      operation.parameters.length ? [h("h3", t("docsParameters")), parameters(operation.parameters)] : null,
      body ? [h("h3", t("docsRequest")), h("p", ...typeOf(body))] : null,
      h("h3", t("docsAnswers")), answers(operation.responses)));
}

function parameters(list) {
  return table(list.map(({ name, in: place, required, schema }) => [
    h("code", name), h("span", ...typeOf(schema)),
    [t("docsIn", place), required && t("docsRequired"), limits(schema)].filter(Boolean).join(" · "),
  ]));
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, { description, content }]) => {
    const schema = Object.values(content ?? {})[0]?.schema;
    return h("tr", h("td", h("code", status)), h("td", { lang: "en" }, description), h("td", schema ? typeOf(schema) : ""));
  });
  return h("div.scroll", h("table", h("tbody", rows)));
}

function schemaCard([name, schema]) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([field, type]) => [
    h("code", field), h("span", ...typeOf(type)),
    [required.has(field) && t("docsRequired"), type.description, limits(type)].filter(Boolean).join(" · "),
  ]);
  return h("details", { id: `schema:${name}` }, h("summary", h("code", name)),
    h("div.inside", schema.description ? h("p", { lang: "en" }, schema.description) : null,
      rows.length ? table(rows) : h("p", ...typeOf(schema))));
}

function table(rows) {
  return h("div.scroll", h("table",
    h("thead", h("tr", ["docsField", "docsType", "docsMeaning"].map((word) => h("th", { scope: "col" }, t(word))))),
    h("tbody", rows.map((cells) => h("tr", cells.map((cell) => h("td", cell)))))));
}

/** Return a schema's type as text with links to the shapes it names. @returns {(string | Node)[]} */
function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.slice(REF.length);
    return [h("a", { href: `#schema:${name}` }, name)];
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return choices.flatMap((choice, at) => [...(at ? [" | "] : []), ...typeOf(choice)]);
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" | ")];
  if ("const" in schema) return [JSON.stringify(schema.const)];
  if (schema.prefixItems) return ["[", ...schema.prefixItems.flatMap((item, at) => [at ? ", " : "", ...typeOf(item)]), "]"];
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items || {})];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return ["text → ", ...typeOf(schema.additionalProperties)];
  }
  return [[schema.type ?? "any", schema.format].filter(Boolean).join(" ")];
}

/** Return a schema's bounds and default as text. */
function limits(schema) {
  const texts = [];
  if (schema.minimum !== undefined) texts.push(`≥ ${schema.minimum}`);
  if (schema.maximum !== undefined) texts.push(`≤ ${schema.maximum}`);
  if (schema.maxLength !== undefined) texts.push(`${schema.minLength ?? 0}…${schema.maxLength}`);
  if (schema.maxItems !== undefined) texts.push(`≤ ${schema.maxItems} items`);
  if (schema.pattern !== undefined) texts.push(schema.pattern);
  if (schema.default !== undefined) texts.push(t("docsDefault", JSON.stringify(schema.default)));
  return texts.join(" · ");
}

/** A link to a shape opens it. */
function openTarget() {
  const card = byId(decodeURIComponent(location.hash.slice(1)));
  if (card instanceof HTMLDetailsElement) {
    card.open = true;
    card.scrollIntoView({ block: "start" });
  }
}

byId("language").onclick = () => {
  switchLanguage();
  draw();
};
addEventListener("hashchange", openTarget);
draw();
try {
  described = await (await fetch("/openapi.json")).json();
  draw();
  openTarget();
} catch {
  byId("about").textContent = t("docsFailed");
}
