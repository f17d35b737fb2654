// The list of species: searched by the database, loaded as one scrolls, each with how far its review has come.

import { address, get } from "./api.js";
import { $, amount, build, copy, count, icon } from "./dom.js";
import { progress } from "./words.js";

const PAUSE = 200; // milliseconds without a key before the search goes out

export class SpeciesList {
  #set = null;
  #rows = new Map(); // by taxon_id, null for all species
  #next = null;
  #loading = null;
  #generation = 0;
  #current = null;
  #timer = 0;

  constructor({ onChoose, onError }) {
    Object.assign(this, { onChoose, onError });
    this.list = $("species-list");
    this.list.addEventListener("click", (event) => this.#click(event));
    this.list.addEventListener("scroll", () => {
      if (this.list.scrollTop + 2 * this.list.clientHeight > this.list.scrollHeight) this.more();
    });
    $("search").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.load(this.#set), PAUSE);
    });
  }

  get current() { return this.#rows.get(this.#current)?.species ?? null; }

  /** Load the list of a set anew; what it shows stays until the answer is there. */
  async load(set) {
    this.#set = set;
    this.#generation += 1;
    this.#loading = null;
    const first = await this.#page(null);
    if (!first) return;
    this.#rows.clear();
    this.list.replaceChildren();
    if (!$("search").value.trim()) this.#append([{ ...set, taxon_id: null, scientific_name: "All species" }]);
    this.#append(first.species);
    this.#next = first.next_cursor;
    if (!this.#rows.size) this.list.append(build("li", { class: "nothing", text: "No species of this name." }));
    this.mark(this.#current);
  }

  more() {
    if (this.#next === null) return Promise.resolve();
    this.#loading ??= this.#page(this.#next).then((page) => {
      this.#loading = null;
      if (!page) return;
      this.#next = page.next_cursor;
      this.#append(page.species);
      this.mark(this.#current);
    });
    return this.#loading;
  }

  async #page(after) {
    const generation = this.#generation;
    const path = `api/sets/${this.#set.fingerprint}/species`;
    try {
      const page = await get(address(path, { search: $("search").value.trim(), after }));
      return generation === this.#generation ? page : null;
    } catch (error) {
      this.onError(error);
      return null;
    }
  }

  #append(found) {
    for (const species of found) {
      const element = copy("species-row");
      const name = element.querySelector(".name span");
      name.textContent = species.scientific_name;
      name.classList.toggle("scientific", species.taxon_id !== null);
      element.firstElementChild.dataset.taxon = species.taxon_id ?? "";
      element.firstElementChild.href = address("", { set: this.#set.fingerprint, taxon: species.taxon_id });
      const row = { species, element };
      this.#rows.set(species.taxon_id, row);
      this.#progress(row);
      this.list.append(element);
    }
  }

  #progress({ species, element }) {
    const left = element.querySelector(".left");
    const { flagged, done, alsoKept } = progress(species);
    element.classList.toggle("finished", flagged > 0 && species.waiting === 0);
    if (species.waiting) left.textContent = `${amount(species.waiting)} left`;
    else if (flagged) left.replaceChildren(icon("keep"), build("span", { class: "unseen", text: "all decided" }));
    else left.textContent = "";
    const parts = [`${amount(species.pruned)} pruned`, `${amount(species.doubtful)} doubtful`, `${amount(done)} decided`];
    element.querySelector(".counts").replaceChildren(...parts.map((text) => build("span", { text })));
    const also = alsoKept ? `; of the kept, ${amount(alsoKept)} decided as well` : "";
    element.title = `${species.scientific_name}: ${count(species.photos, "photo")}, ${parts.join(", ")}${also}`;
  }

  /** Count a verdict that came or went: `waiting` and `decided` are what they change by. */
  count(taxonId, { waiting, decided }) {
    for (const id of [taxonId, null]) {
      const row = this.#rows.get(id);
      if (!row) continue;
      row.species.waiting += waiting;
      row.species.decided += decided;
      this.#progress(row);
    }
  }

  /** Show which species the page is at. */
  mark(taxonId) {
    this.#current = taxonId;
    for (const [id, { element }] of this.#rows) {
      if (id === taxonId) element.firstElementChild.setAttribute("aria-current", "true");
      else element.firstElementChild.removeAttribute("aria-current");
    }
  }

  /** Go to the species before or behind, loading the list on where it ends. */
  async step(by) {
    let taxa = [...this.#rows.keys()];
    const to = taxa.indexOf(this.#current) + by;
    if (to >= taxa.length) {
      await this.more();
      taxa = [...this.#rows.keys()];
    }
    if (to < 0 || to >= taxa.length) return;
    this.#rows.get(taxa[to]).element.scrollIntoView({ block: "nearest" });
    this.onChoose(taxa[to]);
  }

  #click(event) {
    const row = event.target.closest("a");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.onChoose(row.dataset.taxon === "" ? null : Number(row.dataset.taxon));
  }
}
