// A form for the parameters of steps, made of their JSON schemas. What is not changed is not sent.

import { h, label } from "/static/h.js";

/** Return {node, values()}: a form of all parameters, and those that were changed, as `step.name`. */
export function paramsForm(steps) {
  const fields = steps.flatMap((step) => Object.entries(step.schema.properties ?? {})
    .map(([name, schema]) => field(step, name, schema)));
  const parts = steps.filter((step) => Object.keys(step.schema.properties ?? {}).length).map((step) =>
    h("fieldset", {}, h("legend", {}, step.title ?? label(step.use)), h("p", { class: "hint" }, coded(step.summary)),
      fields.filter((one) => one.step === step).map((one) => one.node)));
  const node = parts.length ? h("details", { class: "af-part" }, h("summary", {}, "Parameters"), parts) : null;
  const values = () => Object.fromEntries(fields.filter((one) => one.changed()).map((one) => [one.key, one.value()]));
  return { node, values };
}

function field(step, name, schema) {
  const before = step.values[name] ?? schema.default ?? null;
  const { input, value } = control(plain(schema, step.schema.$defs ?? {}), before, Boolean(schema.anyOf));
  const id = `param-${step.use}-${name}`;
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-hint`);
  const node = h("div", { class: "field" }, h("label", { for: id }, schema.title ?? label(name)), input,
    h("small", { id: `${id}-hint` }, coded(schema.description ?? "")));
  const changed = () => JSON.stringify(value()) !== JSON.stringify(before);
  return { step, key: `${step.use}.${name}`, node, value, changed };
}

/** Return a text in parts, of which those between backquotes are code. */
function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** Follow references, and leave out that a value may be null. */
function plain(schema, definitions) {
  if (schema.$ref) return plain(definitions[schema.$ref.split("/").at(-1)] ?? {}, definitions);
  const options = (schema.anyOf ?? []).filter((one) => one.type !== "null");
  return options.length === 1 ? plain(options[0], definitions) : schema;
}

function control(schema, before, optional) {
  if (schema.enum) {
    const choices = optional ? [null, ...schema.enum] : schema.enum;
    const input = h("select", {}, choices.map((choice, index) =>
      h("option", { value: index, selected: choice === before }, choice === null ? "—" : String(choice))));
    return { input, value: () => choices[Number(input.value)] };
  }
  if (schema.type === "boolean") {
    const input = h("input", { type: "checkbox", checked: before === true });
    return { input, value: () => input.checked };
  }
  if (schema.type === "number" || schema.type === "integer") {
    const input = h("input", {
      type: "number", step: schema.type === "integer" ? 1 : "any", value: before ?? "",
      min: schema.minimum ?? schema.exclusiveMinimum, max: schema.maximum ?? schema.exclusiveMaximum,
    });
    return { input, value: () => (input.value === "" ? null : Number(input.value)) };
  }
  const isText = schema.type === "string";
  const input = h("input", { type: "text", value: before === null ? "" : isText ? before : JSON.stringify(before) });
  const empty = before === "" ? "" : null; // which of the two an empty field means
  return { input, value: () => (input.value === "" ? empty : isText ? input.value : parsed(input.value)) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
