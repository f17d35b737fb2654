// Who decided what, and when: of one photo, and of all.

import { address, get } from "./api.js";
import { $, build, count, icon, time } from "./dom.js";
import { VERDICTS } from "./words.js";

const ROWS = 500;
const NAMES = 3; // species that an entry names

function badge(verdict) {
  if (!verdict) return build("span", { class: "badge" }, icon("undo"), "No verdict");
  return build("span", { class: `badge verdict-${verdict}` }, icon(verdict), VERDICTS[verdict].label);
}

const line = (row) => build("span", { class: "when", text: `${row.decided_by} · ${time(row.decided_at)}` });

const orNobody = (entries) => (entries.length ? entries : [build("li", { class: "muted", text: "Nobody has decided yet." })]);

/** The decisions on one photo, as entries of a list. */
export async function photoLog(set, photoId) {
  const rows = await get(`api/sets/${set}/photos/${photoId}/log`);
  return orNobody(rows.map((row) => build("li", {}, badge(row.verdict), line(row))));
}

/** The window with the last decisions of all people, as batches that may be taken back. */
export class LogWindow {
  #batches = new Map();
  #before = null;

  constructor({ onUndo, onError, mayDecide }) {
    Object.assign(this, { onUndo, onError, mayDecide });
    $("show-history").addEventListener("click", () => this.open());
    $("history-more").addEventListener("click", () => this.#load());
  }

  async open() {
    $("history").showModal();
    await this.#reload();
  }

  async #reload() {
    this.#batches.clear();
    this.#before = null;
    await this.#load();
  }

  async #load() {
    try {
      const rows = await get(address("api/log", { before: this.#before, limit: ROWS }));
      for (const row of rows) this.#add(row);
      this.#before = rows.at(-1)?.id ?? this.#before;
      $("history-more").hidden = rows.length < ROWS;
      this.#show();
    } catch (error) {
      this.onError(error);
    }
  }

  #add(row) {
    const batch = this.#batches.get(row.batch) ?? { ...row, photos: 0, names: new Set(), verdicts: new Set() };
    batch.photos += 1;
    batch.verdicts.add(row.verdict);
    if (row.scientific_name) batch.names.add(row.scientific_name);
    this.#batches.set(row.batch, batch);
  }

  #show() {
    const undone = new Set([...this.#batches.values()].map((batch) => batch.undoes));
    const entries = [...this.#batches.values()].map((batch) => this.#entry(batch, undone.has(batch.batch)));
    $("history-log").replaceChildren(...orNobody(entries));
  }

  #entry(batch, isUndone) {
    const names = [...batch.names].slice(0, NAMES).join(", ") + (batch.names.size > NAMES ? " …" : "");
    const sign = batch.undoes ? build("span", { class: "badge" }, icon("undo"), "Taken back") : badge([...batch.verdicts][0]);
    const what = build("span", { class: "what" },
      build("span", { text: `${count(batch.photos, "photo")} of ` }), build("span", { class: "scientific", text: names || "species of earlier data sets" }),
      build("br"), line(batch));
    const entry = build("li", { class: isUndone ? "taken-back" : "" }, sign, what);
    if (!isUndone && this.mayDecide()) {
      const undo = build("button", { type: "button", class: "button small", text: "Undo" });
      undo.addEventListener("click", async () => {
        undo.disabled = true;
        await this.onUndo(batch.batch, count(batch.photos, "photo"));
        await this.#reload();
      });
      entry.append(undo);
    }
    return entry;
  }
}
