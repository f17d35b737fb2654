// One photo of the grid.

import { build, copy, icon, time } from "./dom.js";
import { state, VERDICTS, why } from "./words.js";

export const key = (item) => `${item.photo_id}-${item.taxon_id}`;

export const picture = (set, item, size) => `pictures/${set}/${item.photo_id}/${size}.jpg?${item.content}`;

/** A verdict as a badge, with who decided and when as its title. */
export function stamp(item) {
  const badge = build("span", { class: `badge verdict-${item.verdict}` }, icon(item.verdict), VERDICTS[item.verdict].label);
  if (item.decided_by) badge.title = `${item.decided_by}, ${time(item.decided_at)}`;
  return badge;
}

/** A photo in words, for people who do not see it. */
export function told(item) {
  const decided = item.verdict ? ` Decided: ${VERDICTS[item.verdict].label}, by ${item.decided_by ?? "you"}.` : "";
  return `${state(item)[1]}: ${item.scientific_name} by ${item.photographer}, ${why(item)}.${decided}`;
}

export class Card {
  constructor(item, set) {
    this.item = item;
    this.element = copy("card");
    this.tick = this.element.querySelector(".tick");
    this.element.dataset.key = key(item);
    this.#picture(set);
    this.#texts();
    this.update();
  }

  get isSelected() { return this.tick.checked; }

  select(isSelected) {
    this.tick.checked = isSelected;
    this.element.classList.toggle("selected", isSelected);
  }

  /** Show the verdict that the item has now. */
  update() {
    const { item, element } = this;
    const old = element.querySelector(".stamp");
    const badge = item.verdict ? stamp(item) : build("span", { class: "badge", hidden: "" });
    badge.classList.add("stamp");
    old.replaceWith(badge);
    element.classList.toggle("decided", Boolean(item.verdict));
    this.tick.setAttribute("aria-label", told(item));
  }

  #picture(set) {
    const image = this.element.querySelector("img");
    image.addEventListener("error", () => {
      image.classList.add("missing");
      image.after(build("span", { class: "gone", text: "This photo cannot be shown" }));
    }, { once: true });
    image.src = picture(set, this.item, "grid");
    const enlarge = this.element.querySelector(".enlarge");
    enlarge.title = "Large view (Enter)";
    enlarge.setAttribute("aria-label", `Large view of photo ${this.item.photo_id}`);
  }

  #texts() {
    const { item, element } = this;
    const [kind, word] = state(item);
    const flag = element.querySelector(".flag");
    flag.classList.add(kind);
    flag.textContent = word;
    const score = element.querySelector(".score");
    score.textContent = `score ${item.outlier_score.toFixed(2)}`;
    score.title = "Outlier score: 0 is typical of its species, 1 surely not";
    element.querySelector(".species-name").textContent = item.scientific_name;
    element.querySelector(".why").textContent = why(item);
    if (item.suggested_name) {
      const suggested = element.querySelector(".suggested");
      suggested.hidden = false;
      suggested.lastElementChild.textContent = item.suggested_name;
    }
    const who = element.querySelector(".who");
    who.textContent = item.photographer;
    who.title = item.photographer;
    element.querySelector(".license").textContent = `· ${item.license}`;
    const outside = element.querySelector(".credit a");
    if (item.observation_url) {
      outside.href = item.observation_url;
      outside.title = "Observation at iNaturalist";
      outside.setAttribute("aria-label", `Observation of photo ${item.photo_id} at iNaturalist`);
    } else outside.remove();
  }
}
