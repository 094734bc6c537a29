"use strict";

/** An example of a schema, for a body to begin with. */
function example(schema, named) {
  if (!schema) return null;
  if (schema.$ref) return example(named[schema.$ref.split("/").pop()], named);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const several = schema.oneOf || schema.anyOf || schema.allOf;
  if (several) return example(several.find((one) => one.type !== "null"), named);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object") {
    const required = schema.required || [];
    return Object.fromEntries(required.map((key) => [key, example(schema.properties[key], named)]));
  }
  if (type === "array") return [example(schema.items, named)];
  if (type === "integer" || type === "number") return schema.minimum || 0;
  return type === "boolean" ? false : "";
}

/** A field for a parameter in the path or the query. */
function field(parameter) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.name = parameter.name;
  input.required = parameter.in === "path";
  input.dataset.in = parameter.in;
  label.append(`${parameter.name}: ${parameter.description || ""}`, input);
  return label;
}

/** Sends what the form says, and shows the answer. */
async function send(form, path, method) {
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll(".parameters input")) {
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(input.name, input.value);
  }
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.authorization = `Bearer ${token}`;
  const area = form.querySelector("textarea");
  if (area) headers["content-type"] = "application/json";
  const asked = query.size ? `${path}?${query}` : path;
  const answer = await fetch(asked, { method, headers, body: area ? area.value : undefined, credentials: "omit" });
  const text = await answer.text();
  const output = form.parentElement.querySelector("output");
  output.hidden = false;
  output.querySelector(".status").textContent = `${answer.status} ${answer.statusText}`;
  try {
    output.querySelector("pre").textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    output.querySelector("pre").textContent = text;
  }
}

/** An operation with its form. */
function section(path, method, operation, named) {
  const made = document.getElementById("operation").content.cloneNode(true);
  made.querySelector(".method").textContent = method.toUpperCase();
  made.querySelector(".path").textContent = path;
  made.querySelector(".summary").textContent = operation.summary || "";
  const roles = operation["x-aegis-roles"];
  made.querySelector(".roles").textContent = roles ? `Takes one of the roles ${roles.join(", ")}.` : "Open to everybody.";
  const form = made.querySelector("form");
  const parameters = (operation.parameters || []).filter((one) => one.in === "path" || one.in === "query");
  form.querySelector(".parameters").append(...parameters.map(field));
  const body = operation.requestBody;
  if (body) {
    const schema = body.content["application/json"].schema;
    form.querySelector("textarea").value = JSON.stringify(example(schema, named), null, 2);
  } else {
    form.querySelector(".body").remove();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, path, method.toUpperCase());
  });
  return made;
}

async function show() {
  const document_ = await (await fetch("/api/v1/openapi.json", { credentials: "omit" })).json();
  const into = document.getElementById("operations");
  into.replaceChildren();
  for (const tag of document_.tags) {
    const title = document.createElement("h2");
    title.textContent = tag.name;
    const about = document.createElement("p");
    about.textContent = tag.description;
    into.append(title, about);
    for (const [path, item] of Object.entries(document_.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if ((operation.tags || []).includes(tag.name)) into.append(section(path, method, operation, document_.components.schemas));
      }
    }
  }
}

show();
