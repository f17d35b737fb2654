// The large view: one photo, all that is known of it, and the verdicts; the arrow keys go through the grid's photos.

import { picture, stamp, told } from "./card.js";
import { $, build, link, percent, speak } from "./dom.js";
import { photoLog } from "./log.js";
import { doubt, meaning, state, VERDICTS, why } from "./words.js";

export class Viewer {
  #item = null;

  constructor({ grid, onDecide, onUndo, onObserver, onError }) {
    Object.assign(this, { grid, onDecide, onUndo, onObserver, onError });
    this.dialog = $("viewer");
    $("viewer-back").addEventListener("click", () => this.#step(-1));
    $("viewer-forth").addEventListener("click", () => this.#step(1));
    $("viewer-image").addEventListener("error", () => { $("viewer-gone").hidden = false; });
    $("viewer-observer").addEventListener("click", () => {
      this.dialog.close();
      this.onObserver(this.#item);
    });
    $("viewer-verdicts").addEventListener("click", (event) => {
      const button = event.target.closest("[data-verdict]");
      if (button) this.decide(button.dataset.verdict);
    });
    this.dialog.addEventListener("keydown", (event) => this.#keydown(event));
    this.dialog.addEventListener("close", () => this.grid.focus(this.#item));
  }

  open(item) {
    this.#show(item);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Decide on the photo, and go on to the next one. */
  decide(verdict) {
    if (!this.onDecide([this.#item], verdict)) return;
    this.#refresh();
    setTimeout(() => this.#step(1), 250); // long enough to see what was decided
  }

  #keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = event.key.toUpperCase();
    const verdict = Object.keys(VERDICTS).find((code) => VERDICTS[code].key === name);
    if (verdict) this.decide(verdict);
    else if (event.key === "ArrowLeft") this.#step(-1);
    else if (event.key === "ArrowRight") this.#step(1);
    else if (name === "Z") this.onUndo().then(() => this.#refresh());
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async #step(by) {
    if (!this.dialog.open) return;
    const to = this.grid.items.indexOf(this.#item) + by;
    if (to >= this.grid.items.length) await this.grid.more();
    if (!this.grid.items[to]) return;
    this.#show(this.grid.items[to]);
    speak(told(this.#item));
  }

  #show(item) {
    this.#item = item;
    const { items } = this.grid;
    const at = items.indexOf(item);
    $("viewer-back").disabled = at <= 0;
    $("viewer-forth").disabled = at === items.length - 1 && !this.grid.hasMore;
    $("viewer-gone").hidden = true;
    $("viewer-image").src = picture(this.grid.set, item, "large");
    $("viewer-image").alt = `${item.scientific_name}, photo ${item.photo_id} by ${item.photographer}`;
    $("viewer-title").textContent = item.scientific_name;
    $("viewer-why").textContent = sentence(why(item));
    $("viewer-facts").replaceChildren(...facts(item).flatMap(([term, ...value]) => [build("dt", { text: term }), build("dd", {}, ...value)]));
    this.#refresh();
  }

  #refresh() {
    const item = this.#item;
    const [kind, word] = state(item);
    $("viewer-flags").replaceChildren(build("span", { class: `badge ${kind}`, text: word }), ...(item.verdict ? [stamp(item)] : []));
    for (const button of $("viewer-verdicts").children) {
      button.setAttribute("aria-pressed", String(button.dataset.verdict === item.verdict));
      button.title = sentence(meaning(button.dataset.verdict));
    }
    photoLog(this.grid.set, item.photo_id).then((entries) => {
      if (item === this.#item) $("viewer-log").replaceChildren(...entries);
    }, this.onError);
  }
}

function facts(item) {
  const found = [
    ["Outlier score", item.outlier_score.toFixed(2)],
    ["Photographer", item.photographer],
    ["Licence", link(item.license, item.license_url)],
    ["Photo", item.observation_url ? link(`${item.photo_id}, its observation`, item.observation_url) : String(item.photo_id)],
    ["Split", item.split],
  ];
  if (item.is_outlier && item.doubt) found.unshift(["Doubt", doubt(item)]);
  if (item.suggested_name) found.unshift(["Suggested", build("span", { class: "scientific", text: item.suggested_name })]);
  if (item.label_score !== null) found.unshift(["Label fits", percent(item.label_score)]);
  if (item.duplicate_of !== null) found.push(["Same as photo", String(item.duplicate_of)]);
  return found;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
