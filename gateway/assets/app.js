// Keeps a page live, its times running, and the keyboard useful. Every page reads well without it.
"use strict";

const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private mode */ } };
const root = document.documentElement;
// Before anything is drawn, so that nothing flashes.
if (stored("theme")) root.dataset.theme = stored("theme");

// Times: relative, local or UTC.
const CLOCKS = ["relative", "local", "UTC"];
let clock = CLOCKS.includes(stored("clock")) ? stored("clock") : "relative";

function words(seconds) {
  const past = Math.abs(seconds);
  const said = past < 60 ? `${Math.round(past)} s` : past < 7200 ? `${Math.round(past / 60)} min`
    : past < 172800 ? `${Math.round(past / 3600)} h` : `${Math.round(past / 86400)} d`;
  return seconds < 0 ? `in ${said}` : `${said} ago`;
}

function tellTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const counts = time.closest("[data-countdown]");
    const exact = clock !== "UTC" && time.closest("[data-exact]");
    const said = exact ? at.toLocaleString() : clock === "relative" || counts ? words((Date.now() - at) / 1000)
      : clock === "local" ? at.toLocaleString() : at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
    if (time.textContent !== said) time.textContent = said;
  }
}

// Makes `now` what `next` is, touching only what differs: no flicker, no lost scroll, no lost input.
function morph(now, next) {
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName || (now.id || "") !== (next.id || "")) {
    now.replaceWith(next);
    return;
  }
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  // What the visitor is writing or has opened is theirs; times are told by this script.
  if (now === document.activeElement && now.matches("input, select, textarea")) return;
  if (now.matches("time") && now.getAttribute("datetime") === next.getAttribute("datetime")) return;
  if (now.dataset.load && now.dataset.loaded) return;
  if (now.id === "live" || now.dataset.do) return;
  for (const { name, value } of [...next.attributes]) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes]) {
    const ours = name === "open" || name === "data-loaded" || (name === "class" && now.matches("[data-row]"));
    if (!next.hasAttribute(name) && !ours) now.removeAttribute(name);
  }
  const byId = new Map([...now.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = now.firstChild;
  for (const child of [...next.childNodes]) {
    const same = child.id && byId.get(child.id);
    if (same) {
      if (same !== place) now.insertBefore(same, place); else place = place.nextSibling;
      morph(same, child);
    } else if (place && !(place.id && byId.has(place.id) && next.querySelector(`#${CSS.escape(place.id)}`))) {
      const after = place.nextSibling;
      morph(place, child);
      place = after;
    } else {
      now.insertBefore(child, place);
      if (child.id && child.classList) child.classList.add("fresh");
    }
  }
  while (place) { const after = place.nextSibling; place.remove(); place = after; }
}

// The page again, from the server. News that could not be looked at are looked at later.
const PATIENCE_MS = 10000, LATER_MS = 3000;
let fetching = false, again = false;
async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  let missed = false;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual", signal });
    if (answer.type === "opaqueredirect") { location.reload(); return; }
    missed = answer.status === 429 || answer.status >= 500;
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["main", "places", "bar"]) {
      const now = document.getElementById(id), next = page.getElementById(id);
      if (now && next && (id !== "main" || now.hasAttribute("data-live"))) morph(now, next);
    }
    ready(document);
  } catch { missed = true; } finally {
    fetching = false;
    if (again) { again = false; soon(); } else if (missed) setTimeout(soon, LATER_MS);
  }
}
// A storm of news is one look each half second, not none and not hundreds.
let due = null;
function soon() { due ??= setTimeout(() => { due = null; refresh(); }, 500); }

function follow(again = false) {
  const chip = () => document.getElementById("live");
  const say = (text, lost) => { const it = chip(); if (it) { it.hidden = false; it.textContent = text; it.classList.toggle("lost", lost); } };
  const source = new EventSource("/live");
  let lost = again;
  source.onopen = () => { say("live", false); if (lost) { lost = false; soon(); } };
  source.onerror = () => {
    lost = true;
    say("reconnecting", true);
    // An answer that is no stream ends it for good; the gateway may only be starting.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(true), 5000);
  };
  for (const kind of ["incident", "decision", "outcome", "assessment", "answer", "standing"]) source.addEventListener(kind, soon);
  addEventListener("pagehide", () => source.close(), { once: true });
}

// Parts that take longer are loaded after the page, and again while it lives, unless somebody looks closely.
const AGAIN_MS = 5000;
async function load(part) {
  if (Date.now() - (part.dataset.loaded || 0) < AGAIN_MS || part.matches(":hover")) return;
  part.dataset.loaded = Date.now();
  try {
    const answer = await fetch(part.dataset.load);
    if (!answer.ok) return;
    const loaded = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("loaded");
    if (!loaded) return;
    part.replaceChildren(...loaded.childNodes);
    crosshair(part);
  } catch { /* with the next news */ }
}

// One crosshair over all charts of a page.
function crosshair(within) {
  const charts = [...within.querySelectorAll("svg.chart")].map((svg) => {
    const flat = svg.dataset.points.split(" ");
    const points = [];
    for (let i = 0; i + 2 < flat.length; i += 3) points.push([+flat[i], flat[i + 1], +flat[i + 2]]);
    return { svg, points, from: +svg.dataset.from, to: +svg.dataset.to, output: svg.closest("figure").querySelector("output") };
  });
  const make = (svg, name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    svg.append(node);
    return node;
  };
  const clear = () => charts.forEach(({ svg, output, last }) => {
    svg.querySelectorAll(".cross, .dot").forEach((node) => node.remove());
    if (last) output.textContent = last;
  });
  const point = (event) => {
    const over = charts.find(({ svg }) => svg === event.currentTarget);
    const box = over.svg.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width * 460 - 4) / 404;
    const at = over.from + Math.min(1, Math.max(0, share)) * (over.to - over.from);
    clear();
    for (const chart of charts) {
      if (!chart.points.length) continue;
      chart.last ??= chart.output.textContent;
      const near = chart.points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
      const x = 4 + (near[0] - chart.from) / (chart.to - chart.from) * 404;
      make(chart.svg, "line", { class: "cross", x1: x, x2: x, y1: 6, y2: 104 });
      make(chart.svg, "circle", { class: "dot", cx: x, cy: near[2], r: 3 });
      chart.output.textContent = `${near[1]} at ${new Date(near[0]).toLocaleTimeString()}`;
    }
  };
  for (const { svg } of charts) { svg.addEventListener("pointermove", point); svg.addEventListener("pointerleave", clear); }
}

// Where somebody says whether an incident was judged rightly.
const FEEDBACK = "form[action$='/feedback'] input[name=reason]";

// The keyboard.
let here = -1;
const rows = () => [...document.querySelectorAll("#main [data-row]")];
function move(by) {
  const all = rows();
  if (!all.length) return;
  here = Math.min(all.length - 1, Math.max(0, here + by));
  all.forEach((row, at) => row.classList.toggle("here", at === here));
  all[here].scrollIntoView({ block: "nearest" });
}
function palette() {
  const dialog = document.getElementById("palette"), input = dialog.querySelector("input"), list = dialog.querySelector("ul");
  const links = [...document.querySelectorAll("#places a, #main a[href]")];
  let at = 0;
  const draw = () => {
    const wanted = input.value.toLowerCase().trim();
    const seen = new Set();
    const found = links.filter((link) => link.textContent.toLowerCase().includes(wanted) && !seen.has(link.href) && seen.add(link.href)).slice(0, 12);
    at = Math.min(at, Math.max(0, found.length - 1));
    list.replaceChildren(...found.map((link, place) => {
      const item = document.createElement("li"), copy = document.createElement("a");
      copy.href = link.href; copy.textContent = link.textContent.trim();
      item.className = place === at ? "here" : ""; item.append(copy);
      return item;
    }));
  };
  input.value = ""; input.oninput = () => { at = 0; draw(); };
  input.onkeydown = (event) => {
    if (event.key === "ArrowDown") at += 1; else if (event.key === "ArrowUp") at = Math.max(0, at - 1);
    else if (event.key === "Enter") { list.querySelector(".here a")?.click(); dialog.close(); return; } else return;
    event.preventDefault(); draw();
  };
  draw(); dialog.showModal(); input.focus();
}
let chord = false;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); palette(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  const go = (selector) => document.querySelector(selector)?.click();
  if (chord) {
    chord = false;
    go(`#places a[data-key="${CSS.escape(event.key)}"]`);
    return;
  }
  const focus = (selector) => { const it = document.querySelector(selector); if (it) { event.preventDefault(); it.focus(); } };
  switch (event.key) {
    case "g": chord = true; setTimeout(() => { chord = false; }, 1500); break;
    case "j": move(1); break;
    case "k": move(-1); break;
    case "Enter": case "o": {
      const row = rows()[Math.max(0, here)];
      if (row && (event.key === "o" || event.target === document.body)) location.href = row.dataset.row;
      break;
    }
    case "f": {
      const row = rows()[here];
      if (row?.dataset.row.startsWith("/incidents/")) location.href = `${row.dataset.row}#feedback`;
      else focus(FEEDBACK);
      break;
    }
    case "y": focus("#approve"); break;
    case "n": focus("#reason"); break;
    case "v": go("#verify"); break;
    case "/": focus("#main input[type=search]"); break;
    case "?": document.getElementById("keys")?.showModal(); break;
  }
});
document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-do]");
  if (asked?.dataset.do === "theme") {
    const light = root.dataset.theme ? root.dataset.theme === "light" : matchMedia("(prefers-color-scheme: light)").matches;
    root.dataset.theme = light ? "dark" : "light"; store("theme", root.dataset.theme);
  } else if (asked?.dataset.do === "clock") {
    clock = CLOCKS[(CLOCKS.indexOf(clock) + 1) % CLOCKS.length]; store("clock", clock);
    asked.textContent = clock; tellTimes(document);
  } else if (asked?.dataset.do === "palette") palette();
  else if (!event.target.closest("a, button, input, select, summary, form")) {
    const row = event.target.closest("[data-row]");
    if (row && !String(getSelection())) location.href = row.dataset.row;
  }
});

// A page that comes back from the browser's memory is of before.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

function ready(within) {
  for (const button of within.querySelectorAll("[data-do]")) button.hidden = false;
  const clocks = document.querySelector("[data-do=clock]");
  if (clocks) clocks.textContent = clock;
  tellTimes(within);
  for (const part of within.querySelectorAll("[data-load]")) load(part);
}
document.addEventListener("DOMContentLoaded", () => {
  ready(document);
  if (document.getElementById("bar")) {
    crosshair(document.getElementById("main"));
    follow();
  }
  if (location.hash === "#feedback") document.querySelector(FEEDBACK)?.focus();
  setInterval(() => tellTimes(document), 1000);
});
