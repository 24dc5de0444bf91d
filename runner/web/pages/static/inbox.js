// The script of the inbox. Every page works without it; with it they are live and quick.
//
//   troubles  a session that has ended, a server that cannot be reached
//   pieces    fetching a part of a page and putting it in the place of the old one
//   stream    one connection a browser to /api/v1/events: what changes is fetched anew
//   lists     opening a task beside its list, choosing several, filters with names
//   answers   drafts that save themselves, what is wrong at its field, entries of lists
//   leaving   nothing that somebody has typed is lost
//   time      countdowns, and the time zone for the server
//   keys      j k Enter c x / ?
//
// What is sent for the form of answers goes through one queue, since each answer says what the next is given
// upon (basis and version). Lists and tasks are fetched anew one after the other, too; what came meanwhile
// counts: a task that was opened, a draft that was saved, a text that was typed.

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const says = $("#says")?.dataset ?? {};
const answers = () => $("#answer-form");
const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function kept(name) { try { return localStorage.getItem(name); } catch { return null; } }
function keep(name, value) { try { localStorage.setItem(name, value); } catch { /* full, or not allowed */ } }

// -- troubles ---------------------------------------------------------------------------------------

const PATIENCE_MS = 60000;

// status: 0 where nobody answers; user: with 401, who has signed in instead, if somebody has.
class Trouble extends Error {
  constructor(status, user) { super(`${status}`); Object.assign(this, { status, user }); }
}

async function ask(address, options) {
  let answer, text;
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });
    text = await answer.text();
  } catch { throw new Trouble(0); }
  if (!answer.ok) throw new Trouble(answer.status);
  return text;
}

function tell(error) {
  if (!(error instanceof Trouble)) reportError(error);
  else if (error.status === 0) bar("offline", says.offline);
  else if (error.status === 401) ended(error.user);
}

function ended(user) {
  const before = userOf(document.body.dataset.csrf);
  const other = says.other.replace("%(now)s", user).replace("%(before)s", before);
  const link = (textContent, href, target = "") => made("a", { textContent, href, target });
  if (user) bar("ended", other, link(says.load, location.href));
  else bar("ended", says.ended, link(says.signIn, "/sign-in?next=/", "_blank"));
}

// On top of the page; no id: nothing is wrong.
function bar(id, text, link = "") {
  const before = $("body > .trouble");
  if (before && before.id === id && before.dataset.text === text) return;
  before?.remove();
  if (!id) return;
  const words = made("p", {}, `${text} `, link);
  const notice = made("div", { id, className: "notice bad trouble", role: "alert" }, words);
  notice.dataset.text = text;
  $("main").before(notice);
}

// What forms carry: the value of their session, a space, and the user whom the page was made for.
function userOf(csrf) { return csrf.slice(csrf.indexOf(" ") + 1); }

// The forms of this page go on with the session there is now, if it is one of the same user.
function adopt(csrf) {
  const before = document.body.dataset.csrf;
  if (!csrf || !before || csrf === before) return;
  if (userOf(csrf) !== userOf(before)) throw new Trouble(401, userOf(csrf));
  document.body.dataset.csrf = csrf;
  $$("[name=csrf]").forEach((field) => { field.value = csrf; });
}

// -- pieces -----------------------------------------------------------------------------------------

async function fetched(address, part) {
  const url = new URL(address, location.href);
  url.searchParams.set("part", part);
  const page = parsed(await ask(url, { headers: { "X-Unattended": "1" } }));
  adopt($("[name=csrf]", page)?.value);
  if (navigator.onLine) bar();
  return page;
}

function swap(selector, page) {
  const before = $(selector), after = $(selector, page);
  if (before && after) before.replaceWith(after);
}

function swapRows(page) {
  const before = $("#rows"), after = $("#rows", page);
  if (!before || !after) { swap("#many", page); count(); return; }
  const versions = (rows) => $$(".row-item", rows).map((row) => [row.id, row.dataset.version]).join();
  if (versions(before) === versions(after)) return;
  const chosen = new Set($$(".choose:checked", before).map((box) => box.value));
  const focused = document.activeElement.closest(".row-item")?.id;
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
  count();
}

function mark(row, isShown) {
  row.classList.toggle("shown", isShown);
  $(".row-link", row).ariaCurrent = isShown ? "true" : null;
}

const listPath = () => `/inbox/${$("#list").dataset.view}`;

// Not from the address of the task: that is answered 404 as soon as the task is gone.
async function refreshList() {
  if (!$("#many")) return;
  const page = await fetched(listPath() + location.search, "list");
  swap("#tabs", page);
  swap(".pages", page);
  swapRows(page);
}

function isTyped(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.type !== "hidden" && field.value !== field.defaultValue;
}

// A part of a task that somebody is typing in stays as it is.
function inUse(part) {
  const form = $("#answer-form", part), focused = document.activeElement;
  return $$("textarea, input", part).some(isTyped) || (form && isUnsaved(form))
    || (part.contains(focused) && focused.matches("input, textarea, select"));
}

async function refreshTask() {
  await queue;
  const task = $("#task"), basis = answers()?.dataset.basis;
  if (!task) return;
  const page = await fetched(location.href, "task").catch((error) => {
    if (error.status !== 404) throw error;
  });
  if (isWaiting || isSending) return;
  // Another task was opened, or something saved: what has come is older than what is shown.
  if (queued || $("#task") !== task || answers()?.dataset.basis !== basis) { await refreshTask(); return; }
  if (!page) { stale(says.gone, listPath() + location.search, $(".back", task).textContent); return; }
  const after = $("#task", page);
  if (!after || after.dataset.version === task.dataset.version) return;
  const parts = $$("[data-part]", task), isOther = after.dataset.basis !== (answers() ?? task).dataset.basis;
  if (!parts.some(inUse)) swap("#pane", page);
  for (const part of task.isConnected ? parts : []) {
    const isAnswers = part.dataset.part === "answers";
    if (isAnswers && isOther && inUse(part)) stale();
    if (inUse(part) || (isAnswers && !isOther)) continue;
    const next = $(`[data-part="${part.dataset.part}"]`, after);
    if (next) part.replaceWith(next); else part.remove();
  }
  Object.assign(task.dataset, { version: after.dataset.version, basis: after.dataset.basis });
  ready();
}

function stale(text = says.changed, href = location.href, link = says.show) {
  const place = $("#stale");
  if (!place || place.dataset.text === text) return;
  place.replaceChildren(made("p", { textContent: `${text} ` }, made("a", { href, textContent: link })));
  place.dataset.text = text;
  Object.assign(place, { role: "alert", hidden: false });
}

let refreshing = Promise.resolve();
function refresh(withTask) {
  refreshing = refreshing.then(async () => {
    await refreshList();
    if (withTask) await refreshTask();
    saveAnswers();
  }).catch((error) => {
    tell(error);
    // What could not be fetched is not told of again.
    if (error.status === 0 || error.status >= 429) { wantsTask ||= withTask; due ||= setTimeout(look, LATE_MS); }
  });
}

function lookAgain() { follow(); refresh(true); }

// -- stream -----------------------------------------------------------------------------------------

const LOST_MS = 5000;
const channel = new BroadcastChannel("inbox");
let source = null, release = null, waiting = null, due = 0, again = 1000, lost = null;

// The tab that has the lock has the stream, and tells the others. A tab that nobody sees has none.
function follow() {
  if (document.hidden || !document.body.dataset.csrf || waiting) return;
  waiting = new AbortController();
  const held = () => new Promise((done) => { release = done; listen(); });
  navigator.locks.request("inbox-stream", { signal: waiting.signal }, held).catch(() => {});
}

function unfollow() {
  clearTimeout(lost);
  source?.close();
  release?.();
  waiting?.abort();
  source = release = waiting = lost = null;
}

function listen() {
  let isNew = true;
  const hear = (message) => { again = 1000; changed(message); channel.postMessage(message); };
  const own = source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => {
    clearTimeout(lost);
    lost = null;
    document.body.classList.add("streaming");
    // A new stream tells nothing of what was changed between this page and it; one that goes on does.
    if (isNew) changed(null);
    else if ($("#offline")) { bar(); saveAnswers(); }
    isNew = false;
  });
  source.addEventListener("changes", (event) => hear(JSON.parse(event.data)));
  source.addEventListener("reload", () => hear(null));
  source.addEventListener("error", () => {
    document.body.classList.remove("streaming");
    // The browser tries again by itself, and does not say for how long already.
    lost ??= setTimeout(() => refresh(false), LOST_MS);
    if (own.readyState !== EventSource.CLOSED) return;
    unfollow();
    setTimeout(lookAgain, again);
    again = Math.min(again * 2, 60000);
  });
}

const SOON_MS = 120, LATE_MS = 5000, CALM_MS = 10000;
let wantsTask = false, pace = SOON_MS, looked = 0;

// No message: what has changed is not known. The list is read soon after a first change, and more and more
// rarely as they go on, each browser at times of its own: a busy pool has many readers.
function changed(message) {
  const shown = $("#task")?.dataset;
  const named = (each) => `${each.domain}/${each.key}` === shown?.task;
  wantsTask ||= !message || message.gone.some(named)
    || message.changed.some((each) => named(each) && each.version !== shown.version);
  if (Date.now() - looked > CALM_MS) pace = SOON_MS;
  if (wantsTask) { clearTimeout(due); due = setTimeout(look, SOON_MS); }
  due ||= setTimeout(look, pace * (0.75 + Math.random() / 2));
}

function look() {
  refresh(wantsTask);
  pace = Math.min(pace * 2, LATE_MS);
  looked = Date.now();
  due = 0;
  wantsTask = false;
}

// -- lists ------------------------------------------------------------------------------------------

// The last one that was pressed is shown, whichever comes first.
let opening = 0;
async function openTask(address) {
  const turn = ++opening;
  saveAnswers();
  const page = await fetched(address, "task");
  if (turn !== opening || !(await mayLeave()) || turn !== opening) return;
  history.pushState(null, "", address);
  shownAt = here();
  $("#notice")?.remove();
  $("#pane").replaceWith($("#pane", page));
  swap("#tabs", page);
  document.body.classList.add("reading");
  document.title = $("#task h1").textContent;
  $$("#rows .row-item").forEach((row) => mark(row, row.dataset.task === $("#task").dataset.task));
  ready();
  if (matchMedia("(max-width: 52rem)").matches) $("#pane").scrollIntoView();
  $("#pane").focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#many .row-link");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const load = () => location.assign(link.href);
  openTask(link.href).catch((error) => { if (error.status > 401) load(); else tell(error); });
});
// Links to a place of this page, such as a field, lead to no other.
const here = () => location.pathname + location.search;
let shownAt = here();
addEventListener("popstate", () => { if (here() !== shownAt) location.reload(); });

function count() {
  const boxes = $$("#rows .choose"), chosen = boxes.filter((box) => box.checked), bulk = $("#bulk");
  if (!bulk) return;
  bulk.classList.toggle("idle", chosen.length === 0);
  $("#chosen").textContent = says.chosen.replace("%(count)s", chosen.length);
  const isAll = chosen.length === boxes.length;
  Object.assign($("#all"), { hidden: false, checked: isAll, indeterminate: chosen.length > 0 && !isAll });
}

document.addEventListener("change", (event) => {
  if (event.target.id === "all") $$("#rows .choose").forEach((box) => { box.checked = event.target.checked; });
  if (event.target.matches("#all, .choose")) count();
});

// Filters with names live in this browser.
function showSaved() {
  const place = $("#saved"), name = `inbox:filters:${$("#list")?.dataset.view}`;
  if (!place) return;
  const saved = JSON.parse(kept(name) ?? "[]");
  const store = (filters) => { keep(name, JSON.stringify(filters)); showSaved(); };
  const items = saved.map((each) => made("li", {},
    made("a", { href: `${listPath()}?${each.query}`, textContent: each.name }),
    made("button", {
      type: "button", className: "quiet small", textContent: "×",
      ariaLabel: says.forget.replace("%(name)s", each.name),
      onclick: () => store(saved.filter((other) => other !== each)),
    })));
  const field = made("input", { id: "save-as", maxLength: 60, autocomplete: "off" });
  const add = () => {
    const query = new URLSearchParams(location.search), called = field.value.trim();
    ["cursor", "after", "did", "part"].forEach((each) => query.delete(each));
    const others = saved.filter((each) => each.name !== called);
    if (called) store([...others, { name: called, query: String(query) }]);
  };
  const button = made("button", { type: "button", className: "small", textContent: says.save, onclick: add });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); add(); }
  });
  const label = made("label", { htmlFor: "save-as", textContent: says.saveAs });
  place.replaceChildren(made("ul", {}, ...items), label, made("div", { className: "save-as" }, field, button));
  place.hidden = false;
}

const openMenus = () => $$("details.menu[open], details.filters[open]");
document.addEventListener("click", (event) => {
  openMenus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

// -- answers ----------------------------------------------------------------------------------------

let queue = Promise.resolve(), queued = 0, timer = 0;

function afterTheOthers(work) {
  queued += 1;
  queue = queue.then(work).catch((error) => {
    // 422: what is typed so far does not convert, and is no draft yet. 412: somebody has changed the task.
    if (error.status === 422) { sayOfForm(says.unsaved); return; }
    sayOfForm(says.failed, true);
    if (error.status === 412) stale(); else tell(error);
  }).finally(() => { queued -= 1; });
  return queue;
}

// Without what is of the page and not of the answers, such as keys and versions.
function written(form) {
  const isAnswer = (name) => name.includes("/") || ["data", "json", "more"].includes(name);
  return String(new URLSearchParams([...new FormData(form)].filter(([name]) => isAnswer(name))));
}

function isUnsaved(form) { return form.dataset.saved !== undefined && form.dataset.saved !== written(form); }

function sayOfForm(text, isBad = false) {
  Object.assign($("#saved-at") ?? {}, { textContent: text, className: `saved-at${isBad ? " bad" : ""}` });
}

function sent(form, changes, headers = {}) {
  const body = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(changes)) body.set(name, value);
  return ask(form.action, { method: "POST", body, headers, keepalive: document.hidden });
}

function save(form) {
  clearTimeout(timer);
  afterTheOthers(async () => {
    if (!form.isConnected || isSending || !isUnsaved(form)) return;
    const now = written(form), key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const told = JSON.parse(await sent(form, { do: "save", key }, { Accept: "application/json" }));
    form.dataset.saved = now;
    form.dataset.basis = form.elements.basis.value = told.basis;
    // Not that of the task: what others have changed before is still to be shown.
    form.elements.version.value = told.version;
    sayOfForm(isUnsaved(form) ? says.unsaved : told.said);
  });
}

function saveAnswers() {
  const form = answers();
  if (form?.dataset.autosave !== undefined && isUnsaved(form)) save(form);
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.id !== "answer-form") return;
  isSending = false;
  sayOfForm(isUnsaved(form) ? says.unsaved : "");
  clearTimeout(timer);
  timer = setTimeout(saveAnswers, 1200);
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
  const isWrong = Boolean($(".error", place));
  place.classList.toggle("wrong", isWrong);
  if (described.size) field.setAttribute("aria-describedby", [...described].join(" "));
  else field.removeAttribute("aria-describedby");
  if (kind || !isWrong) field.ariaInvalid = kind ? "true" : null;
  return !kind;
}

// An error that comes or goes moves what is below it: not away from under a pointer that is pressed.
let pressing = Promise.resolve();
document.addEventListener("pointerdown", () => {
  pressing = new Promise((done) => {
    const end = () => setTimeout(done);
    ["pointerup", "pointercancel"].forEach((name) => addEventListener(name, end, { once: true }));
  });
});

document.addEventListener("focusout", async ({ target: field }) => {
  if (field.form?.id !== "answer-form" || !("validity" in field)) return;
  await pressing;
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

// One entry more or less of a list. What is typed while this is on its way goes along.
async function changeEntries(form, button) {
  let before, page;
  do {
    before = written(form);
    page = parsed(await sent(form, { [button.name]: button.value, part: "form" }));
  } while (before !== written(form));
  const after = $("#answer-form", page), { list } = button.closest("[data-list]").dataset;
  after.dataset.saved = form.dataset.saved;
  form.replaceWith(after);
  ready();
  const place = $$("[data-list]", after).find((each) => each.dataset.list === list) ?? after;
  const entry = button.matches("[data-add]") ? $$(":scope > .entry", place).pop() : null;
  ($("input:not([type=hidden]), select, textarea", entry ?? place) ?? place).focus();
  saveAnswers();
}

// -- leaving ----------------------------------------------------------------------------------------

// isSending: a form was sent, and the next page comes. isWaiting: something that was pressed comes first.
let isSending = false, isWaiting = false;

// Whether anything was typed in a task that neither is saved nor will be sent with a form.
function isUnsent(sending) {
  const isOpen = (form) => form === answers() ? isUnsaved(form) : $$("textarea, input", form).some(isTyped);
  return $$("#pane form").some((form) => form !== sending && isOpen(form));
}

async function mayLeave(sending) {
  if (sending?.id !== "answer-form") saveAnswers();
  await queue;
  return !isUnsent(sending) || confirm(says.leave);
}

// What is on its way arrives first, or the page would be told that somebody has changed the task.
document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter, isAnswers = form.id === "answer-form";
  if (form.method !== "post") return;
  if (isWaiting) { event.preventDefault(); return; }
  if (button?.matches("[data-add], [data-remove]")) {
    event.preventDefault();
    wait(() => afterTheOthers(() => changeEntries(form, button)));
    return;
  }
  // Pressed twice: it has the same key, and is carried out once.
  if (isSending) return;
  if (isAnswers && !button?.formNoValidate && !isRight(form)) { event.preventDefault(); return; }
  clearTimeout(timer);
  if (navigator.onLine && !queued && !isUnsent(form)) { isSending = true; return; }
  event.preventDefault();
  if (!navigator.onLine) { bar("offline", says.offline); return; }
  wait(async () => {
    if (!(await mayLeave(form))) return;
    isSending = true;
    // Not at once: a form that is being submitted is not submitted again.
    setTimeout(() => form.requestSubmit(button));
  });
});

// Until the work is done, nothing else is sent.
function wait(work) {
  isWaiting = true;
  work().finally(() => { isWaiting = false; });
}

addEventListener("beforeunload", (event) => { if (!isSending && isUnsent()) event.preventDefault(); });

// -- time -------------------------------------------------------------------------------------------

const units = (says.units ?? "d h min s").split(" ");
function span(seconds, isLong) {
  const parts = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const first = Math.min(Math.max(parts.findIndex((each) => each > 0), 0), 2);
  const from = seconds < 60 ? 2 : first;
  const words = parts.map((each, at) => each || at === from ? `${each} ${units[at]}` : "");
  return words.slice(from, from + (isLong ? 2 : 1)).filter(Boolean).join(" ");
}

function tick() {
  for (const each of $$("time[data-countdown]")) {
    const left = (Date.parse(each.dateTime) - Date.now()) / 1000;
    const time = span(Math.abs(left), each.dataset.countdown === "long");
    const text = (left < 0 ? says.late : says.left).replace("%(time)s", time);
    if (each.textContent !== text) each.textContent = text;
    each.classList.toggle("overdue", left < 0);
    each.classList.toggle("soon", left >= 0 && left < 86400);
  }
}

function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.documentElement.dataset.zone === zone) return;
  document.cookie = `runner-zone=${zone};path=/;max-age=31536000;samesite=lax`;
  $$("[data-version]").forEach((each) => { each.dataset.version = ""; });
  refresh(true);
}

// -- keys -------------------------------------------------------------------------------------------

const rowInFocus = () => document.activeElement.closest(".row-item");

function move(step) {
  const links = $$("#rows .row-link"), row = rowInFocus();
  const from = links.findIndex((link) => row ? row.contains(link) : link.ariaCurrent);
  links[Math.min(Math.max(from + step, 0), links.length - 1)]?.focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  c: () => $('#task [data-verb="claim"]')?.click(),
  x: () => { const row = rowInFocus(); if (row) $(".choose", row)?.click(); },
  "/": () => $("#text")?.focus(),
  "?": () => $("#keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") openMenus().forEach((menu) => { menu.open = false; $("summary", menu).focus(); });
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog[open]")) return;
  if (event.target.matches("textarea, select, input:not([type=checkbox], [type=radio])")) return;
  const isOff = kept("inbox:keys") === "off" && event.key !== "?";
  if (isOff || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

// -- beginning --------------------------------------------------------------------------------------

function ready() {
  const form = answers();
  if (form) form.noValidate = true;
  if (form && form.dataset.saved === undefined) form.dataset.saved = $("#problems") ? "" : written(form);
  tick();
  count();
}

document.body.classList.add("live");
const address = new URL(location.href);
["after", "did", "n"].forEach((name) => address.searchParams.delete(name));
// A form that was refused is answered at an address that only takes forms.
if ($("#task") && address.pathname.startsWith("/tasks/")) {
  address.pathname = `${listPath()}/${$("#task").dataset.task}`;
  address.searchParams.delete("view");
}
if (address.href !== location.href) history.replaceState(null, "", address);
shownAt = here();
const useKeys = $("#use-keys");
if (useKeys) {
  useKeys.checked = kept("inbox:keys") !== "off";
  useKeys.addEventListener("change", () => keep("inbox:keys", useKeys.checked ? "on" : "off"));
}
ready();
showSaved();
tellZone();
setInterval(tick, 1000);
for (const each of [$(".row-item.shown"), $(".tabs [aria-current]")]) {
  each?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Tabs tell each other what they hear; and each, when it opens, which session there is.
const { csrf } = document.body.dataset;
if (csrf) channel.postMessage({ csrf });
channel.addEventListener("message", ({ data }) => {
  if (!data?.csrf) changed(data);
  else if (data.csrf !== document.body.dataset.csrf || $("#ended")) refresh(true);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { saveAnswers(); unfollow(); } else lookAgain();
});
addEventListener("focus", () => { if ($(".trouble")) refresh(true); });
addEventListener("offline", () => bar("offline", says.offline));
addEventListener("online", lookAgain);
addEventListener("pagehide", unfollow);
addEventListener("pageshow", (event) => {
  isSending = false;
  if (event.persisted) lookAgain(); else follow();
});
