// The script of the inbox. Every page works without it; with it they are live and quick.
//
//   pieces    fetching a part of a page and putting it in the place of the old one
//   stream    one connection a browser to /api/v1/events: what changes is fetched anew
//   lists     opening a task beside its list, choosing several, filters with names
//   answers   drafts that save themselves, entries of lists, nothing lost by leaving
//   time      countdowns, and the time zone for the server
//   keys      j k Enter c x / ?

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const says = $("#says")?.dataset ?? {};
const aloud = $("#status");

function say(text) { if (aloud) aloud.textContent = text; }

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function kept(name) { try { return localStorage.getItem(name); } catch { return null; } }
function keep(name, value) { try { localStorage.setItem(name, value); } catch { /* it is full, or not allowed */ } }

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

// -- pieces -----------------------------------------------------------------------------------------

class Ended extends Error {}

async function fetched(address, part) {
  const url = new URL(address, location.href);
  url.searchParams.set("part", part);
  const answer = await fetch(url, { headers: { "X-Unattended": "1" } });
  if (answer.status === 401) throw new Ended();
  if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function swap(selector, page) {
  const before = $(selector), after = $(selector, page);
  if (before && after && before.outerHTML !== after.outerHTML) before.replaceWith(after);
}

function swapRows(page) {
  const before = $("#rows"), after = $("#rows", page);
  if (!before || !after) { swap("#many", page); return; }
  const chosen = new Set($$(".choose:checked", before).map((box) => box.value));
  const focused = document.activeElement?.closest(".row-item")?.id;
  const known = new Set($$(".row-item", before).map((row) => row.id));
  const shown = $("#task")?.dataset.task;
  for (const row of $$(".row-item", after)) {
    if (!known.has(row.id)) row.classList.add("new");
    if (chosen.has(row.dataset.task)) $(".choose", row).checked = true;
    mark(row, row.dataset.task === shown);
  }
  const top = before.scrollTop;
  before.replaceChildren(...after.children);
  before.scrollTop = top;
  if (focused) $(".row-link", document.getElementById(focused) ?? before)?.focus({ preventScroll: true });
  swap(".pages", page);
  count();
}

function mark(row, isShown) {
  row.classList.toggle("shown", isShown);
  const link = $(".row-link", row);
  if (isShown) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
}

async function refreshList() {
  if (!$("#list[data-view]")) return;
  const page = await fetched(location.href, "list");
  swap("#tabs", page);
  swapRows(page);
}

// A part of a task that somebody is typing in stays as it is.
function inUse(part) {
  const typed = $$("textarea, input:not([type=hidden])", part).some((field) =>
    field.type === "checkbox" || field.type === "radio"
      ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  return typed || (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"));
}

async function refreshTask() {
  const task = $("#task");
  if (!task) return;
  await saving;
  let page;
  try { page = await fetched(location.href, "task"); } catch (error) {
    if (error.status === 404) { stale(); return; }
    throw error;
  }
  const after = $("#task", page);
  if (!after || after.dataset.version === task.dataset.version) return;
  const form = $("#answer-form");
  if (form && isUnsaved(form) && after.dataset.basis !== form.dataset.basis) { stale(); return; }
  if (!$$("[data-part]", task).some(inUse)) {
    swap("#pane", page);
  } else {
    for (const part of $$("[data-part]", task)) {
      const name = part.dataset.part;
      const isSame = name === "answers" && after.dataset.basis === task.dataset.basis;
      if (!isSame && !inUse(part)) swap(`#task [data-part="${name}"]`, page);
    }
    task.dataset.version = after.dataset.version;
  }
  ready();
}

function stale() {
  const place = $("#stale");
  if (!place || !place.hidden) return;
  place.replaceChildren(made("p", { textContent: `${says.changed} ` }, made("a", { href: location.href, textContent: says.show })));
  place.hidden = false;
  say(says.changed);
}

// -- stream -----------------------------------------------------------------------------------------

const channel = "BroadcastChannel" in window ? new BroadcastChannel("inbox") : null;
let source = null, release = null, waiting = null, due = 0, again = 1000;

// The tab that has the lock has the stream, and tells the others. A tab that nobody sees has none.
function follow() {
  if (document.hidden || !says.offline || !("EventSource" in window) || source || waiting) return;
  if (!navigator.locks) { listen(); return; }
  waiting = new AbortController();
  navigator.locks.request("inbox-stream", { signal: waiting.signal }, () => new Promise((done) => {
    release = done;
    listen();
  })).catch(() => {});
}

function unfollow() {
  source?.close();
  release?.();
  waiting?.abort();
  source = release = waiting = null;
}

function listen() {
  source = new EventSource("/api/v1/events");
  const tell = (message) => { again = 1000; changed(message); channel?.postMessage(message); };
  source.addEventListener("open", () => { offline(false); document.body.classList.add("streaming"); });
  source.addEventListener("changes", (event) => tell(JSON.parse(event.data)));
  source.addEventListener("reload", () => tell(null));
  source.addEventListener("error", () => {
    document.body.classList.remove("streaming");
    if (source?.readyState !== EventSource.CLOSED) return;
    unfollow();
    setTimeout(() => { refresh(true); follow(); }, again);
    again = Math.min(again * 2, 60000);
  });
}

// Many changes at once are fetched once.
let wantsTask = false;
function changed(message) {
  const shown = $("#task");
  const named = (each) => `${each.domain}/${each.key}` === shown?.dataset.task;
  wantsTask ||= !message || message.gone.some(named)
    || message.changed.some((each) => named(each) && each.version !== shown.dataset.version);
  if (!due) due = setTimeout(() => { due = 0; const task = wantsTask; wantsTask = false; refresh(task); }, 120);
}

async function refresh(withTask) {
  try {
    await refreshList();
    if (withTask) await refreshTask();
    offline(false);
  } catch (error) {
    if (error instanceof Ended) ended(); else if (!error.status) offline(true);
  }
}

function bar(name, ...children) {
  $(`#${name}`)?.remove();
  if (children.length) {
    const notice = made("div", { id: name, className: "notice bad" }, made("p", {}, ...children));
    notice.setAttribute("role", "alert");
    $("main").before(notice);
  }
}

function offline(isSo) { if (isSo && !$("#offline")) bar("offline", says.offline); else if (!isSo) bar("offline"); }

function ended() {
  if ($("#ended")) return;
  bar("ended", `${says.ended} `, made("a", { href: "/sign-in?next=/", target: "_blank", textContent: says.signIn }));
}

// -- lists ------------------------------------------------------------------------------------------

async function openTask(address, isNew) {
  const page = await fetched(address, "task");
  if (!$("#task", page)) throw new Error("no task");
  if (isNew) history.pushState(null, "", address);
  $("#notice")?.remove();
  $("#pane").replaceWith($("#pane", page));
  swap("#tabs", page);
  document.body.classList.add("reading");
  document.title = $("#task h1").textContent;
  const shown = $("#task").dataset.task;
  $$("#rows .row-item").forEach((row) => mark(row, row.dataset.task === shown));
  ready();
  $("#pane").scrollTop = 0;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#rows .row-link");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button || !$("#list[data-view]")) return;
  event.preventDefault();
  if (!mayLeave()) return;
  openTask(link.href, true).then(() => { if (matchMedia("(max-width: 52rem)").matches) $("#pane").focus(); })
    .catch(() => location.assign(link.href));
});
addEventListener("popstate", () => location.reload());

function count() {
  const boxes = $$("#rows .choose"), chosen = boxes.filter((box) => box.checked), bulk = $("#bulk");
  if (!bulk) return;
  bulk.classList.toggle("idle", chosen.length === 0);
  $("#chosen").textContent = says.chosen.replace("%(count)s", chosen.length);
  const all = $("#all");
  all.hidden = false;
  all.checked = chosen.length > 0 && chosen.length === boxes.length;
  all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
}

document.addEventListener("change", (event) => {
  if (event.target.id === "all") $$("#rows .choose").forEach((box) => { box.checked = event.target.checked; });
  if (event.target.matches("#all, .choose")) count();
});

// Filters with names live in this browser.
function showSaved() {
  const place = $("#saved"), view = $("#list")?.dataset.view;
  if (!place) return;
  const name = `inbox:filters:${view}`, saved = JSON.parse(kept(name) ?? "[]");
  const store = (filters) => { keep(name, JSON.stringify(filters)); showSaved(); };
  const items = saved.map((each) => made("li", {},
    made("a", { href: `${location.pathname.split("/").slice(0, 3).join("/")}?${each.query}`, textContent: each.name }),
    made("button", {
      type: "button", className: "quiet small", textContent: "×", ariaLabel: says.forget.replace("%(name)s", each.name),
      onclick: () => store(saved.filter((other) => other !== each)),
    })));
  const field = made("input", { id: "save-as", maxLength: 60, autocomplete: "off" });
  const add = () => {
    const query = new URLSearchParams(location.search);
    ["cursor", "after", "did", "part"].forEach((each) => query.delete(each));
    const called = field.value.trim();
    if (called) store([...saved.filter((each) => each.name !== called), { name: called, query: String(query) }]);
  };
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(); } });
  place.replaceChildren(made("ul", {}, ...items), made("label", { htmlFor: "save-as", textContent: says.saveAs }),
    made("div", { className: "save-as" }, field, made("button", { type: "button", className: "small", textContent: says.save, onclick: add })));
  place.hidden = false;
}

// Menus close by themselves.
document.addEventListener("click", (event) => {
  $$("details.menu[open], details.filters[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

// -- answers ----------------------------------------------------------------------------------------

let saving = Promise.resolve(), isSaving = false, timer = 0, isSending = false;

function written(form) { return new URLSearchParams([...new FormData(form)].filter(([name]) => name.includes("/") || ["data", "json", "more"].includes(name))); }
function isUnsaved(form) { return form.dataset.saved !== undefined && form.dataset.saved !== String(written(form)); }
function mayLeave() {
  const form = $("#answer-form");
  if (!form || isSending || !isUnsaved(form)) return true;
  if (form.dataset.autosave !== undefined) { save(form); return true; }
  return confirm(says.unsaved);
}

function sayOfForm(text, isBad = false) {
  const place = $("#saved-at");
  if (!place) return;
  place.textContent = text ?? "";
  place.classList.toggle("bad", isBad);
}

function save(form) {
  clearTimeout(timer);
  saving = saving.then(async () => {
    if (!isUnsaved(form) || isSending) return;
    const body = new URLSearchParams(new FormData(form)), now = String(written(form));
    body.set("do", "save");
    body.set("key", randomKey());
    isSaving = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" }, keepalive: document.hidden });
      const told = await answer.json();
      if (answer.ok) {
        form.dataset.saved = now;
        form.dataset.basis = form.elements.basis.value = told.basis;
        form.elements.version.value = told.version;
        Object.assign($("#task")?.dataset ?? {}, { basis: told.basis, version: told.version });
        sayOfForm(told.said);
      } else if (answer.status === 401) { ended(); sayOfForm(says.failed, true); }
      else if (answer.status === 412) { stale(); sayOfForm(says.failed, true); }
      else sayOfForm(answer.status === 422 ? says.unsaved : told.said ?? says.failed, answer.status !== 422);
    } catch { sayOfForm(says.failed, true); } finally { isSaving = false; }
  });
  return saving;
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.id !== "answer-form") return;
  sayOfForm(isUnsaved(form) ? says.unsaved : "");
  clearTimeout(timer);
  if (form.dataset.autosave !== undefined) timer = setTimeout(() => save(form), 1200);
});

// The browser finds out what is wrong; the form says it in its own words, at the field.
const WORDS = {
  valueMissing: "required", badInput: "type", typeMismatch: "type", tooShort: "minlength", tooLong: "maxlength",
  rangeUnderflow: "min", rangeOverflow: "max", stepMismatch: "step", patternMismatch: "pattern",
};

function check(field) {
  const place = field.closest(".field"), id = `${field.id}:wrong`;
  if (!place || !field.willValidate) return true;
  document.getElementById(id)?.remove();
  const kind = Object.keys(WORDS).find((each) => field.validity[each]);
  const described = new Set((field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  described.delete(id);
  if (kind) {
    const words = field.getAttribute(`data-words-${WORDS[kind]}`) ?? field.validationMessage;
    const error = made("p", { id, className: "error" }, made("span", { textContent: words }));
    ($(".line", place) ?? (field.closest(".answer") ? $(".answer", place) : field)).before(error);
    described.add(id);
  }
  place.classList.toggle("wrong", Boolean($(".error", place)));
  if (described.size) field.setAttribute("aria-describedby", [...described].join(" ")); else field.removeAttribute("aria-describedby");
  if (kind) field.setAttribute("aria-invalid", "true"); else if (!$(".error", place)) field.removeAttribute("aria-invalid");
  return !kind;
}

document.addEventListener("focusout", (event) => {
  const field = event.target;
  if (field.form?.id !== "answer-form" || !("validity" in field)) return;
  // What is still blank may be filled in later; what is wrong is wrong now.
  if (!field.validity.valueMissing || field.getAttribute("aria-invalid")) check(field);
});

function isRight(form) {
  const seen = new Set();
  const wrong = [...form.elements].filter((field) => {
    if (field.type === "radio") { if (seen.has(field.name)) return false; seen.add(field.name); }
    return "validity" in field && !check(field);
  });
  wrong[0]?.focus();
  return wrong.length === 0;
}

// What is on its way arrives first, or the page would be told that somebody has changed the task.
document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  if (form.id !== "answer-form") return;
  clearTimeout(timer);
  if (button?.matches("[data-add], [data-remove]")) { event.preventDefault(); changeEntries(form, button); return; }
  if (isSending) return;
  if (!button?.formNoValidate && !isRight(form)) { event.preventDefault(); return; }
  isSending = true;
  if (!isSaving) return;
  event.preventDefault();
  // Not at once: a form that is being submitted is not submitted again.
  saving.then(() => setTimeout(() => form.requestSubmit(button)));
});

async function changeEntries(form, button) {
  const body = new URLSearchParams(new FormData(form));
  body.set(button.name, button.value);
  body.set("part", "form");
  const list = button.closest("[data-list]")?.dataset.list, isNew = button.matches("[data-add]");
  const answer = await fetch(form.action, { method: "POST", body });
  const after = $("#answer-form", new DOMParser().parseFromString(await answer.text(), "text/html"));
  if (!answer.ok || !after) { form.requestSubmit(button); return; }
  after.dataset.saved = form.dataset.saved;
  form.replaceWith(after);
  const place = $$("[data-list]", after).find((each) => each.dataset.list === list);
  const entry = isNew ? [...(place?.children ?? [])].filter((each) => each.matches(".entry")).pop() : null;
  ($("input:not([type=hidden]), select, textarea", entry ?? place ?? after) ?? place)?.focus();
  after.dispatchEvent(new Event("input", { bubbles: true }));
  if (after.dataset.autosave !== undefined) save(after);
}

addEventListener("beforeunload", (event) => {
  const form = $("#answer-form");
  if (form && !isSending && isUnsaved(form)) event.preventDefault();
});

// -- time -------------------------------------------------------------------------------------------

const units = (says.units ?? "d h min s").split(" ");
function span(seconds, isLong) {
  const parts = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const first = Math.min(Math.max(parts.findIndex((each) => each > 0), 0), 2);
  const from = seconds < 60 ? 2 : first;
  return parts.map((each, at) => `${each} ${units[at]}`).slice(from, from + (isLong ? 2 : 1)).join(" ");
}

function tick() {
  for (const each of $$("time[data-countdown]")) {
    const left = (Date.parse(each.dateTime) - Date.now()) / 1000;
    const text = (left < 0 ? says.late : says.left).replace("%(time)s", span(Math.abs(left), each.dataset.countdown === "long"));
    if (each.textContent !== text) each.textContent = text;
    each.classList.toggle("overdue", left < 0);
    each.classList.toggle("soon", left >= 0 && left < 86400);
  }
}

function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.documentElement.dataset.zone === zone) return;
  document.cookie = `runner-zone=${zone};path=/;max-age=31536000;samesite=lax`;
  if (!$("#list[data-view]")) return;
  refreshList().catch(() => {});
  if ($("#task")) fetched(location.href, "task").then((page) => { if (!$$("#task [data-part]").some(inUse)) { swap("#pane", page); ready(); } }).catch(() => {});
}

// -- keys -------------------------------------------------------------------------------------------

function move(step) {
  const links = $$("#rows .row-link");
  const at = links.indexOf(document.activeElement.closest?.(".row-item") ? $(".row-link", document.activeElement.closest(".row-item")) : null);
  const from = at < 0 ? links.findIndex((link) => link.ariaCurrent) : at;
  links[Math.min(Math.max(from + step, 0), links.length - 1)]?.focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  c: () => $('#task [data-verb="claim"]')?.click(),
  x: () => { const box = $(".choose", document.activeElement.closest(".row-item") ?? document.createElement("i")); box?.click(); },
  "/": () => $("#text")?.focus(),
  "?": () => $("#keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") $$("details.menu[open], details.filters[open]").forEach((menu) => { menu.open = false; $("summary", menu).focus(); });
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog[open]")) return;
  if (event.target.matches("textarea, select, input:not([type=checkbox], [type=radio])")) return;
  const isOff = kept("inbox:keys") === "off" && event.key !== "?";
  if (isOff || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

// -- beginning --------------------------------------------------------------------------------------

function ready() {
  const form = $("#answer-form");
  if (form) form.noValidate = true;
  if (form && form.dataset.saved === undefined) form.dataset.saved = $("#problems") ? "" : String(written(form));
  tick();
  count();
}

document.body.classList.add("live");
const address = new URL(location.href);
if (["after", "did", "n"].some((name) => address.searchParams.has(name))) {
  ["after", "did", "n"].forEach((name) => address.searchParams.delete(name));
  history.replaceState(null, "", address);
}
const useKeys = $("#use-keys");
if (useKeys) {
  useKeys.checked = kept("inbox:keys") !== "off";
  useKeys.addEventListener("change", () => keep("inbox:keys", useKeys.checked ? "on" : "off"));
}
ready();
showSaved();
tellZone();
setInterval(tick, 1000);
for (const each of [$(".row-item.shown"), $(".tabs [aria-current]")]) each?.scrollIntoView({ block: "nearest", inline: "nearest" });
channel?.addEventListener("message", (event) => changed(event.data));
document.addEventListener("visibilitychange", () => {
  const form = $("#answer-form");
  if (document.hidden) {
    unfollow();
    if (form?.dataset.autosave !== undefined && isUnsaved(form)) save(form);
  } else { follow(); refresh(true); }
});
addEventListener("pagehide", unfollow);
addEventListener("pageshow", (event) => { isSending = false; follow(); if (event.persisted) refresh(true); });
