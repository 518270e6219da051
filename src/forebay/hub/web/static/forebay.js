// What a page gains with a script: times in the reader's zone, buttons that copy, live parts, and the palette.
// Reading and every form work without it.
"use strict";

const html = document.documentElement;
html.classList.add("scripted");

// Times: the server says them relative to its own moment; here they go on, and hovering tells the exact one. Nothing of
// `Intl` is asked before somebody hovers: to load it takes longer than to lay out the page.
let exact = null;
const two = (number) => String(number).padStart(2, "0");

function day(at) {
  const date = new Date(at);
  const told = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${told} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function tellExactly(time) {
  const at = time && Date.parse(time.dateTime);
  if (!time || Number.isNaN(at)) return;
  exact ||= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  time.title = exact.format(at);
}

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => tellExactly(event.target.closest?.("time[datetime]")));
}

function rough(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function relative(at) {
  const seconds = (Date.now() - at) / 1000;
  if (seconds < -1) return `in ${rough(-seconds)}`;
  return seconds < 10 ? "just now" : `${rough(seconds)} ago`;
}

function tellTimes(root, again) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    if ("exact" in time.dataset) time.textContent = day(at);
    else if (again) time.textContent = relative(at);
  }
}

// Who has no pointer to hover with taps on it.
document.addEventListener("click", (event) => {
  const time = event.target.closest("time[datetime]");
  if (!time || time.closest("a, button, summary, label")) return;
  tellExactly(time);
  if (time.title) time.textContent = time.title;
});

// Copying. The text beside the button stays selectable for who has no clipboard here.
async function copy(button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    const text = button.parentElement.querySelector("code");
    if (text) getSelection().selectAllChildren(text);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  const opens = event.target.closest("[data-palette]");
  if (!opens || !palette || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openPalette();
});

// Live parts: each comes whole, and takes the place of the one before. What the reader does in it stays.
// What is there already stays as it is: a frame would load anew.
const ticked = "input[type=checkbox][name]";
const written = "input:not([type=checkbox]):not([type=hidden]), textarea";
const tick = (box) => `${box.name}\n${box.value}`;
const scrolls = ".scroll, .log";
const fold = (item, place) => item.id || `${item.querySelector("summary")?.textContent}\n${place}`;
const folds = (root) => [...root.querySelectorAll("details")].map((item, place) => [fold(item, place), item]);
const came = new Map();
const held = new Map();

function isInUse(part) {
  const active = document.activeElement;
  const types = part.contains(active) && active.matches("input:not([type=checkbox]), select, textarea");
  const begun = [...part.querySelectorAll(written)].some((field) => field.value !== field.defaultValue);
  return types || begun || (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));
}

function swap(id, text) {
  const before = document.getElementById(id);
  if (!before || !("live" in before.dataset)) return;
  held.delete(id);
  if (came.get(id) === text) return;
  if (isInUse(before)) return held.set(id, text);
  came.set(id, text);
  const holder = document.createElement("template");
  holder.innerHTML = text;
  const after = holder.content.firstElementChild;
  if (!after || after.id !== id || before.isEqualNode(after)) return;
  const focused = before.contains(document.activeElement) ? document.activeElement : null;
  const opened = new Set(folds(before).filter(([, item]) => item.open).map(([key]) => key));
  const chosen = new Set([...before.querySelectorAll(ticked)].filter((box) => box.checked).map(tick));
  const scrolled = [...before.querySelectorAll(scrolls)].map(placeIn);
  for (const [key, item] of folds(after)) if (opened.has(key)) item.open = true;
  for (const box of after.querySelectorAll(ticked)) if (chosen.has(tick(box))) box.checked = true;
  const path = focused && placeOf(before, focused);
  keepWidths(before, after);
  before.replaceWith(after);
  tellTimes(after, false);
  after.querySelectorAll(scrolls).forEach((item, place) => { if (scrolled[place]) goTo(item, scrolled[place]); });
  if (path) refocus(after, path);
}

// What came while somebody typed or selected there takes its place once they have done.
function swapHeld() {
  for (const [id, text] of [...held]) swap(id, text);
}

for (const kind of ["focusout", "selectionchange"]) document.addEventListener(kind, () => { if (held.size) setTimeout(swapHeld); });

// Where a reader is, from the beginning. A log that is followed counts from its end: who is there stays there.
function placeIn(item) {
  const end = item.scrollHeight - item.clientHeight;
  const follows = item.classList.contains("ends");
  return { left: item.scrollLeft, top: item.scrollTop + (follows ? end : 0), atEnd: follows && item.scrollTop > -2 };
}

function goTo(item, { left, top, atEnd }) {
  const end = item.scrollHeight - item.clientHeight;
  item.scrollLeft = left;
  item.scrollTop = atEnd ? 0 : top - (item.classList.contains("ends") ? end : 0);
}

// Columns stay as wide as they were while what is new has room, so that nothing beside it moves.
function keepWidths(before, after) {
  for (const table of after.querySelectorAll("table[id]")) {
    const old = before.querySelectorAll(`#${CSS.escape(table.id)} > thead th`);
    const heads = table.querySelectorAll(":scope > thead th");
    if (old.length !== heads.length) continue;
    const widths = [...old].map((head) => head.getBoundingClientRect().width);
    heads.forEach((head, place) => { if (widths[place]) head.style.width = `${widths[place]}px`; });
  }
}

function placeOf(root, element) {
  if (element.id) return { id: element.id };
  const kind = "a, button, input, summary, [tabindex]";
  return { kind, href: element.getAttribute("href"), place: [...root.querySelectorAll(kind)].indexOf(element) };
}

function refocus(root, { id, kind, href, place }) {
  const all = id ? [] : [...root.querySelectorAll(kind)];
  const found = id ? document.getElementById(id) : all.find((item) => href && item.getAttribute("href") === href) || all[place];
  if (found) found.focus({ preventScroll: true });
}

let stream = null;
let ended = false;

function watch() {
  if (stream || ended || !document.querySelector("[data-live]")) return;
  stream = new EventSource(`/live?page=${encodeURIComponent(location.pathname + location.search)}`);
  stream.addEventListener("part", (event) => {
    const { id, html: text } = JSON.parse(event.data);
    swap(id, text);
  });
  stream.addEventListener("over", (event) => {
    stopWatching();
    const { why } = JSON.parse(event.data);
    if (!why) return;
    ended = true;
    const told = document.createElement("p");
    told.className = "notice";
    told.setAttribute("role", "status");
    told.textContent = why;
    document.getElementById("main").prepend(told);
  });
}

function stopWatching() {
  if (stream) stream.close();
  stream = null;
}

// A page that nobody looks at costs the hub nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? stopWatching() : watch()));
addEventListener("pagehide", stopWatching);

// The palette: the server finds, the arrows choose.
const palette = document.getElementById("palette");
const asked = palette && palette.querySelector("input");
const found = document.getElementById("found");
let asking = null;
let latest = 0;
let answered = "";

function openPalette() {
  if (!palette || palette.open) return;
  palette.showModal();
  asked.select();
  asked.focus();
}

function options() {
  return [...found.querySelectorAll("[role=option]")];
}

function choose(option) {
  for (const item of options()) item.setAttribute("aria-selected", String(item === option));
  if (option) {
    asked.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else asked.removeAttribute("aria-activedescendant");
}

async function ask() {
  const number = ++latest;
  const text = asked.value.trim();
  const answer = text && (await fetch(`/find?part=1&q=${encodeURIComponent(text)}`, { headers: { Accept: "text/html" } }));
  if (number !== latest) return;
  if (answer && (!answer.ok || answer.redirected)) return location.assign(location.href);
  const told = answer ? await answer.text() : "";
  if (number !== latest) return;
  found.innerHTML = told;
  answered = text;
  asked.setAttribute("aria-expanded", String(options().length > 0));
  choose(options()[0]);
}

function step(by) {
  const all = options();
  const here = all.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (all.length) choose(all[(here + by + all.length) % all.length]);
}

if (palette) {
  asked.setAttribute("role", "combobox");
  asked.setAttribute("aria-expanded", "false");
  asked.addEventListener("input", () => {
    clearTimeout(asking);
    asking = setTimeout(ask, 80);
  });
  asked.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    }
  });
  palette.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    clearTimeout(asking);
    // Who types fast does not mean what an earlier text found.
    if (answered !== asked.value.trim()) await ask().catch(() => { found.textContent = ""; });
    const chosen = found.querySelector("[aria-selected=true]");
    if (chosen) location.assign(chosen.href);
    else form.submit();
  });
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
}

addEventListener("keydown", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  const asks = (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
  if (!asks || event.altKey) return;
  event.preventDefault();
  openPalette();
});

tellTimes(document, false);
setInterval(() => tellTimes(document, true), 20000);
// What is live is not asked for before the page is there: the hub would render it while the browser paints.
if (document.readyState === "complete") watch();
else addEventListener("load", watch);
