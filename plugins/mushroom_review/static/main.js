// Mushroom review: joins the list of species, the grid, the large view and the decisions.

import { address, get } from "./api.js";
import { follow, read, write } from "./address.js";
import { Decisions } from "./deciding.js";
import { $, amount, build, count, icon, percent, speak, time } from "./dom.js";
import { Grid } from "./grid.js";
import { LogWindow } from "./log.js";
import "./outside.js";
import { Rebuild, watchApprovals } from "./rebuild.js";
import { SpeciesList } from "./species.js";
import { Viewer } from "./viewer.js";
import { filters, learn, meaning, progress, VERDICTS } from "./words.js";

const SHOW = {
  waiting: "Undecided", pruned: "Pruned", doubtful: "Doubtful", kept: "Kept", decided: "Decided", all: "All",
};
const PAGE = 60;

let start = null; // what the server said first
let view = read();
let set = null;

const grid = new Grid({ onSelect: showChosen, onOpen: (item) => viewer.open(item), onLoad: showEmpty, onError: fail });
const species = new SpeciesList({ onChoose: chooseSpecies, onError: fail });
const decisions = new Decisions({ grid, species, onProgress: showProgress });
const viewer = new Viewer({
  grid,
  onDecide: (items, verdict) => decisions.decide(items, verdict),
  onUndo: () => decisions.undo(),
  onObserver: (item) => change({ observer: item.observer_id, show: "all", taxon: null, reason: "" }),
  onError: fail,
});
const rebuild = new Rebuild({ tell: (...told) => decisions.tell(...told), refusal: () => (start.may_decide ? null : start.only_look) });
new LogWindow({ onUndo: (batch, told) => decisions.undoBatch(batch, told), onError: fail, mayDecide: () => start.may_decide });

function fail(error) {
  if (error.name !== "AbortError") decisions.tell(error.message, { isError: true });
}

/* What is shown */

async function begin() {
  start = await get("api/start");
  learn(start);
  buildControls();
  const hasSets = start.sets.length > 0;
  $("columns").hidden = $("bar").hidden = !hasSets;
  if (!hasSets) showNothing();
  else await openSet(start.sets.find((found) => found.fingerprint === view.set) ?? start.sets[0]);
  // Who opened the page is in Airflow's menu: the keys are for what it shows.
  $("photos").focus({ preventScroll: true });
  watchApprovals();
}

async function openSet(chosen) {
  set = chosen;
  view.set = set.fingerprint;
  $("sets").value = set.fingerprint;
  $("report").href = `${$("report").dataset.reports}/of/${set.fingerprint}`;
  decisions.begin(set, { user: start.user, refusal: start.may_decide ? null : start.only_look });
  rebuild.begin(set);
  showProgress(set);
  await Promise.all([species.load(set), showPhotos()]);
  showTitle();
}

/** Change what is shown; another species or set is a step that the back button returns from. */
async function change(changes) {
  const isStep = "taxon" in changes || "set" in changes;
  view = { ...view, ...changes };
  write(view, isStep);
  await showPhotos();
}

async function showPhotos() {
  species.mark(view.taxon);
  showFilters();
  showTitle();
  const { taxon, show, observer, reason } = view;
  const [filter, code] = reason.split(":");
  const path = `api/sets/${set.fingerprint}/items`;
  grid.list.classList.toggle("many-species", taxon === null);
  await grid.show(set.fingerprint, (after, signal) =>
    get(address(path, { taxon, show, [filter]: code, observer, after, limit: PAGE }), signal));
  showTitle();
  const shown = grid.items.length ? `${grid.summary}${grid.hasMore ? ", and more" : ""}` : $("empty").innerText;
  speak(`${$("title").textContent}: ${shown}`);
}

function chooseSpecies(taxon) {
  if ($("species").classList.contains("open")) toggleSpecies();
  change({ taxon });
}

/** Open or close the list of species where it is a drawer. */
function toggleSpecies() {
  const isOpen = $("species").classList.toggle("open");
  $("open-species").setAttribute("aria-expanded", String(isOpen));
  $(isOpen ? "search" : "open-species").focus();
}

function showTitle() {
  const name = view.taxon === null ? "All species" : species.current?.scientific_name ?? grid.items[0]?.scientific_name;
  $("title").textContent = name ?? "";
  $("title").classList.toggle("scientific", view.taxon !== null);
  const found = species.current;
  $("subtitle").textContent = found ? `${count(found.photos, "photo")}, ${amount(found.waiting)} to decide` : "";
}

function showProgress(now) {
  set = now;
  const index = start.sets.findIndex((found) => found.fingerprint === now.fingerprint);
  start.sets[index] = now;
  rebuild.begin(now);
  const { flagged: all, done, alsoKept } = progress(now);
  $("progress").max = all || 1;
  $("progress").value = all ? done : 1;
  $("progress-text").textContent = `${amount(done)} of ${count(all, "photo")} decided`;
  const also = alsoKept ? ` Of the photos that it kept, ${amount(alsoKept)} decided as well.` : "";
  $("progress-text").title = `Of the photos that pruning took out or doubts.${also}`;
  $("progress-rest").textContent = all ? percent(done / all) : "";
  showTitle();
}

function showFilters() {
  const shown = $("show").querySelector(`[value="${CSS.escape(view.show)}"]`);
  if (shown) {
    shown.checked = true;
    shown.parentElement.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone the choices go beyond the edge
  }
  $("reason").value = view.reason;
  $("observer").hidden = view.observer === null;
}

function showChosen() {
  $("chosen").textContent = grid.summary;
}

function showEmpty() {
  showChosen();
  showTitle();
  const isEmpty = !grid.items.length && !grid.hasMore;
  $("empty").hidden = !isEmpty;
  if (!isEmpty) return;
  const isDone = view.show === "waiting" && !view.reason && view.observer === null;
  $("empty").querySelector("h3").textContent = isDone ? "Everything here is decided" : "No photo is like this";
  $("empty").querySelector("p").textContent = isDone
    ? "No photo waits for a decision. Go on to the next species with the key . or look at all photos."
    : "Choose other filters, or another species.";
}

function showNothing() {
  const text = "There is no data set to review yet. dataset_build queues one for review each time it prunes.";
  $("columns").after(build("div", { class: "empty" }, icon("list"), build("h3", { text: "Nothing to review yet" }), build("p", { text })));
  for (const id of ["sets", "progress", "report", "show-rebuild"]) $(id).hidden = true;
}

/* Decide */

function decideChosen(verdict) {
  const items = grid.chosen;
  const byKeyboard = grid.hasFocus;
  if (!decisions.decide(items, verdict)) return;
  grid.selectNone();
  if (byKeyboard) grid.goBehind(items);
}

/* Controls */

function buildControls() {
  $("sets").replaceChildren(...start.sets.map((found) => {
    const text = `${time(found.queued_at)} · ${amount(found.photos)} photos · ${found.fingerprint.slice(0, 8)}`;
    return build("option", { value: found.fingerprint, text, title: found.fingerprint });
  }));
  $("show").replaceChildren(...Object.entries(SHOW).map(([value, text]) =>
    build("label", {}, build("input", { type: "radio", name: "show", value }), build("span", { text }))));
  $("reason").replaceChildren(build("option", { value: "", text: "Any reason" }), ...filters().map(([name, label, codes]) =>
    build("optgroup", { label }, ...Object.entries(codes).map(([code, text]) =>
      build("option", { value: `${name}:${code}`, text: name === "issue" ? text : sentence(text) })))));
  $("verdicts").replaceChildren(...verdictButtons());
  $("viewer-verdicts").replaceChildren(...verdictButtons());
  $("observer").lastElementChild.textContent = "One photographer";
  $("only-look").hidden = start.may_decide;
  $("only-look-why").textContent = start.only_look;
  for (const button of document.querySelectorAll(".needs-editor")) disable(button);
}

function verdictButtons() {
  return Object.entries(VERDICTS).map(([verdict, { label, key }]) => {
    const button = build("button", { type: "button", class: "button", "data-verdict": verdict },
      icon(verdict), build("span", { text: label }), build("kbd", { text: key }));
    button.title = `${sentence(meaning(verdict))} (${key})`;
    disable(button);
    return button;
  });
}

function disable(button) {
  if (start.may_decide) return;
  // Not `disabled`: it stays in reach of the keyboard and says why.
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-describedby", "only-look-why");
  button.title = start.only_look;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

$("sets").addEventListener("change", () => {
  view = { ...view, set: $("sets").value, taxon: null, observer: null };
  write(view, true);
  openSet(start.sets.find((found) => found.fingerprint === view.set)).catch(fail);
});
$("show").addEventListener("change", (event) => change({ show: event.target.value }));
$("reason").addEventListener("change", () => {
  const reason = $("reason").value;
  // What is decided is not among the undecided.
  const show = reason.startsWith("verdict:") && view.show === "waiting" ? "decided" : view.show;
  change({ reason, show });
});
$("observer").addEventListener("click", () => change({ observer: null }));
$("verdicts").addEventListener("click", (event) => {
  const button = event.target.closest("[data-verdict]");
  if (button) decideChosen(button.dataset.verdict);
});
$("undo").addEventListener("click", () => decisions.undo());
$("select-all").addEventListener("click", () => grid.selectAll());
$("species-back").addEventListener("click", () => species.step(-1));
$("species-forth").addEventListener("click", () => species.step(1));
$("show-help").addEventListener("click", () => $("help").showModal());
$("open-species").addEventListener("click", toggleSpecies);

const COMMANDS = {
  a: () => grid.selectAll(),
  z: () => decisions.undo(),
  "?": () => $("help").showModal(),
  "/": () => $("search").focus(),
  ",": () => species.step(-1),
  ".": () => species.step(1),
  escape: escape,
  arrowdown: () => grid.focus(),
  arrowright: () => grid.focus(),
};
for (const [verdict, { key }] of Object.entries(VERDICTS)) COMMANDS[key.toLowerCase()] = () => decideChosen(verdict);

function escape() {
  if ($("species").classList.contains("open")) toggleSpecies();
  else grid.selectNone();
}

const isTyping = (element) => element.matches("input:not([type=checkbox], [type=radio]), select");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.target.matches("[type=radio]") && event.key.startsWith("Arrow")) return;
  const name = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !["a", "z"].includes(name)) return;
  if (!(name in COMMANDS)) return;
  event.preventDefault();
  COMMANDS[name]();
});

addEventListener("popstate", () => {
  const before = view.set;
  view = read();
  view.set ||= before;
  follow();
  if (view.set === before) showPhotos().catch(fail);
  else openSet(start.sets.find((found) => found.fingerprint === view.set) ?? start.sets[0]).catch(fail);
});

// Others decide too: who comes back to the page sees how far they are.
addEventListener("focus", async () => {
  if (!set) return;
  try {
    showProgress(await get(`api/sets/${set.fingerprint}`));
  } catch (error) {
    fail(error);
  }
});

begin().catch(fail);
