// The photos on the page: loaded page by page as one scrolls, selected and walked through like files in a folder.

import { Card, key } from "./card.js";
import { $, build, count } from "./dom.js";

const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };
const AHEAD = "800px"; // below the visible part, where the next page starts to load

export class Grid {
  #cards = new Map();
  #order = [];
  #at = 0; // the card that the keyboard is at
  #anchor = null; // where a range starts
  #source = null;
  #next = null;
  #loading = null;
  #abort = null;

  constructor({ onSelect, onOpen, onLoad, onError }) {
    this.list = $("grid");
    Object.assign(this, { onSelect, onOpen, onLoad, onError });
    this.list.addEventListener("click", (event) => this.#click(event));
    this.list.addEventListener("dblclick", (event) => {
      if (event.target.closest(".picture") && !event.target.closest("button, input")) this.#open(event.target);
    });
    this.list.addEventListener("keydown", (event) => this.#keydown(event));
    this.list.addEventListener("focusin", (event) => this.#focused(event));
    const seen = (entries) => { if (entries.some((entry) => entry.isIntersecting)) this.more(); };
    this.sentinel = new IntersectionObserver(seen, { root: $("scroll"), rootMargin: AHEAD });
  }

  get items() { return this.#order.map((card) => card.item); }

  get selected() { return this.#order.filter((card) => card.isSelected).map((card) => card.item); }

  get hasMore() { return this.#next !== null; }

  /** The photos that a decision is for: those selected, else the one that the keyboard is at. */
  get chosen() {
    const { selected } = this;
    if (selected.length) return selected;
    return this.list.contains(document.activeElement) && this.#order.length ? [this.#order[this.#at].item] : [];
  }

  /** Start anew with `source(after, signal)`, which returns a page of photos; `set` is where their pictures are from. */
  async show(set, source) {
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#loading = null;
    Object.assign(this, { set });
    this.#source = source;
    this.#next = undefined;
    this.#cards.clear();
    this.#order = [];
    this.#at = 0;
    this.#anchor = null;
    this.list.replaceChildren();
    $("scroll").scrollTop = 0;
    this.onSelect();
    await this.more();
  }

  /** Load the next page; the page that is under way where there is one. */
  more() {
    if (this.#next === null) return Promise.resolve();
    this.#loading ??= this.#load(this.#abort.signal);
    return this.#loading;
  }

  async #load(signal) {
    this.sentinel.disconnect();
    $("more").replaceChildren("Loading …");
    try {
      const page = await this.#source(this.#next, signal);
      if (signal.aborted) return;
      this.#next = page.next_cursor;
      this.#append(page.items);
      this.onLoad();
    } catch (error) {
      if (signal.aborted) return;
      this.onError(error);
    }
    this.#loading = null;
    this.#offerMore();
  }

  #offerMore() {
    $("more").replaceChildren();
    if (!this.hasMore) return;
    const button = build("button", { type: "button", class: "button", text: "Show more" });
    button.addEventListener("click", () => this.more());
    $("more").append(button);
    this.sentinel.observe($("more"));
  }

  #append(items) {
    const cards = items.filter((item) => !this.#cards.has(key(item))).map((item) => new Card(item, this.set));
    for (const card of cards) this.#cards.set(key(card.item), card);
    this.#order.push(...cards);
    this.list.append(...cards.map((card) => card.element));
    if (this.#order.length === cards.length && cards.length) cards[0].tick.tabIndex = 0;
  }

  /** Give a photo of the page this verdict; return what it was, or null where the page does not show it. */
  settle({ photo_id, taxon_id, verdict, decided_by, decided_at }) {
    const card = this.#cards.get(key({ photo_id, taxon_id }));
    if (!card) return null;
    const { item } = card;
    const before = { photo_id, taxon_id, verdict: item.verdict, decided_by: item.decided_by, decided_at: item.decided_at };
    Object.assign(item, { verdict, decided_by, decided_at });
    card.update();
    return { item, before };
  }

  selectAll() {
    const isAll = this.#order.length > 0 && this.#order.every((card) => card.isSelected);
    for (const card of this.#order) card.select(!isAll);
    this.onSelect();
  }

  selectNone() {
    for (const card of this.#order) card.select(false);
    this.#anchor = null;
    this.onSelect();
  }

  /** Go on to the first photo without a verdict behind these. */
  goBehind(items) {
    const last = Math.max(...items.map((item) => this.#order.findIndex((card) => card.item === item)));
    const next = this.#order.findIndex((card, index) => index > last && !card.item.verdict);
    this.#goTo(next < 0 ? Math.min(last + 1, this.#order.length - 1) : next);
  }

  /** Go to the photo of this item, or to where the keyboard was. */
  focus(item) {
    const index = item ? this.#order.findIndex((card) => card.item === item) : this.#at;
    if (this.#order[index]) this.#goTo(index);
  }

  get hasFocus() { return this.list.contains(document.activeElement); }

  #goTo(index) {
    const card = this.#order[index];
    card.tick.focus({ preventScroll: true });
    card.element.scrollIntoView({ block: "nearest" });
  }

  #focused(event) {
    const card = this.#cardOf(event.target);
    if (!card) return;
    this.#order[this.#at]?.tick.setAttribute("tabindex", "-1");
    this.#at = this.#order.indexOf(card);
    card.tick.tabIndex = 0;
  }

  #cardOf(target) { return this.#cards.get(target.closest(".card")?.dataset.key); }

  #open(target) {
    const card = this.#cardOf(target);
    if (card) this.onOpen(card.item);
  }

  #click(event) {
    const card = this.#cardOf(event.target);
    if (!card || event.target.closest("a")) return;
    if (event.target.closest(".enlarge")) {
      this.onOpen(card.item);
      return;
    }
    if (!event.target.closest(".tick")) {
      card.select(!card.isSelected); // a tick has changed by itself
      card.tick.focus({ preventScroll: true });
    } else card.select(card.isSelected);
    if (event.shiftKey) this.#selectTo(card);
    else this.#anchor = card;
    this.onSelect();
  }

  #selectTo(card) {
    const [from, to] = [this.#order.indexOf(this.#anchor ?? card), this.#order.indexOf(card)].sort((a, b) => a - b);
    for (const between of this.#order.slice(Math.max(from, 0), to + 1)) between.select(true);
    this.#anchor ??= card;
  }

  #keydown(event) {
    if (!event.target.classList.contains("tick") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.#open(event.target);
    else {
      const to = this.#destination(event.key);
      if (to === null) return;
      this.#walk(to, event.shiftKey);
    }
    event.preventDefault();
  }

  #walk(to, isSelecting) {
    if (isSelecting && !this.#anchor) this.#anchor = this.#order[this.#at];
    this.#goTo(to);
    if (isSelecting) {
      this.#selectTo(this.#order[to]);
      this.onSelect();
    } else this.#anchor = null;
  }

  #destination(name) {
    const last = this.#order.length - 1;
    const clamp = (index) => Math.min(Math.max(index, 0), last);
    if (name in ARROWS) return clamp(this.#at + ARROWS[name]);
    if (name === "Home") return 0;
    if (name === "End") return last;
    if (name === "ArrowDown") return clamp(this.#at + this.#columns);
    if (name === "ArrowUp") return this.#at < this.#columns ? this.#at : this.#at - this.#columns;
    return null;
  }

  get #columns() { return getComputedStyle(this.list).gridTemplateColumns.split(" ").length; }

  /** How many are there and selected, for the bar. */
  get summary() {
    const number = this.selected.length;
    return number ? `${number} selected` : count(this.#order.length, "photo");
  }
}
