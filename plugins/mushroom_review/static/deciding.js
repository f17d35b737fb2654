// Decide and take back. The page shows a verdict at once and sends it after those before it, so that decisions are kept
// in the order in which they were made; where the server refuses, the page takes it back.

import { post } from "./api.js";
import { $, amount, bringForward, count, speak } from "./dom.js";
import { isFlagged, VERDICTS } from "./words.js";

const SHOWN = 8000; // milliseconds that a message stays
const MOST = 5000; // photos in one request

export class Decisions {
  #batches = []; // decided here, the last one last
  #turn = Promise.resolve();
  #timer = 0;

  constructor({ grid, species, onProgress }) {
    Object.assign(this, { grid, species, onProgress, set: null, refusal: null, user: "" });
    $("message-close").addEventListener("click", () => { $("message").hidden = true; });
    $("message-undo").addEventListener("click", () => this.undo());
  }

  /** Start with another data set, or user. */
  begin(set, { user, refusal }) {
    if (this.set?.fingerprint !== set.fingerprint) this.#batches = [];
    Object.assign(this, { set, user, refusal });
  }

  /** Give these photos a verdict; false where nobody may, or there are none. */
  decide(items, verdict) {
    if (this.#refuses()) return false;
    if (!items.length) {
      this.tell("Select photos first, or go to one with the arrow keys.");
      return false;
    }
    if (items.length > MOST) {
      this.tell(`Select ${amount(MOST)} photos at most.`, { isError: true });
      return false;
    }
    const { fingerprint } = this.set;
    const photos = items.map(({ photo_id, taxon_id }) => [photo_id, taxon_id]);
    const now = { verdict, decided_by: this.user, decided_at: new Date().toISOString() };
    const before = items.map(({ photo_id, taxon_id }) => this.#settle({ photo_id, taxon_id, ...now }));
    const told = `${VERDICTS[verdict].label}: ${count(items.length, "photo")}`;
    this.#next(async () => {
      const receipt = await post("api/decisions", { fingerprint, verdict, photos });
      this.#batches.push({ batch: receipt.batch, told });
      this.#take(receipt);
      this.tell(told, { canUndo: true });
    }, () => before.forEach((old) => old && this.#settle(old)));
    return true;
  }

  /** Take back what was decided here last. */
  undo() {
    if (this.#refuses()) return Promise.resolve();
    return this.#next(async () => {
      const last = this.#batches.pop();
      if (!last) this.tell("There is nothing to undo: History lists earlier decisions.");
      else await this.#takeBack(last);
    });
  }

  /** Take back a batch of the history. */
  undoBatch(batch, told) {
    if (this.#refuses()) return Promise.resolve();
    return this.#next(() => this.#takeBack({ batch, told }));
  }

  async #takeBack({ batch, told }) {
    const shown = this.grid.items.map((item) => item.photo_id).slice(0, MOST);
    const receipt = await post("api/undo", { fingerprint: this.set.fingerprint, batch, shown });
    this.#batches = this.#batches.filter((other) => other.batch !== batch);
    const seen = this.#take(receipt);
    if (seen < receipt.photos) await this.species.load(receipt.set); // others were of species that the page does not show
    this.tell(receipt.photos ? `Taken back · ${told}` : "Nothing taken back: it was decided anew since.");
  }

  /** Show how the photos stand now; return how many of the page that changes. */
  #take(receipt) {
    const changed = receipt.items.filter((standing) => {
      const before = this.#settle(standing);
      return before && before.verdict !== standing.verdict;
    });
    this.onProgress(receipt.set);
    return changed.length;
  }

  #settle(standing) {
    const found = this.grid.settle(standing);
    if (!found) return null;
    const { item, before } = found;
    const decided = Number(Boolean(item.verdict)) - Number(Boolean(before.verdict));
    if (decided) this.species.count(item.taxon_id, { decided, waiting: isFlagged(item) ? -decided : 0 });
    return before;
  }

  #next(work, giveUp = () => {}) {
    this.#turn = this.#turn.then(work).catch((error) => {
      giveUp();
      this.tell(error.message, { isError: true });
    });
    return this.#turn;
  }

  #refuses() {
    if (this.refusal) this.tell(this.refusal, { isError: true });
    return Boolean(this.refusal);
  }

  /** Show a message for a while. */
  tell(text, { canUndo = false, isError = false } = {}) {
    $("message-text").textContent = text;
    $("message").classList.toggle("error", isError);
    $("message-undo").hidden = !canUndo;
    bringForward($("message"));
    $("message").hidden = false;
    speak(text);
    clearTimeout(this.#timer);
    if (!isError) this.#timer = setTimeout(() => { $("message").hidden = true; }, SHOWN);
  }
}
