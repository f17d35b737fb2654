// What the page shows, kept in its address: the data set, the species, the filters. So a reload, a link and the back
// button find it again; Airflow's address follows, for it is the one that people see and copy.

import { isFramed } from "./outside.js";

const DEFAULTS = { set: "", taxon: null, show: "waiting", reason: "", observer: null };
const NUMBERS = ["taxon", "observer"];

export function read() {
  const query = new URLSearchParams(location.search);
  const view = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) {
    const value = query.get(name);
    if (value) view[name] = NUMBERS.includes(name) ? Number(value) || null : value;
  }
  return view;
}

/** Keep what is shown; with `isStep`, as one that the back button returns from. */
export function write(view, isStep) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    if (value !== DEFAULTS[name] && value !== null) query.set(name, value);
  }
  const address = `${location.pathname}${query.size ? `?${query}` : ""}`;
  if (isStep) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  follow();
}

/** Let Airflow's own address say what the frame shows, as Airflow itself does when a frame loads. */
export function follow() {
  if (!isFramed() || !parent.location.pathname.endsWith(location.pathname)) return;
  parent.history.replaceState(parent.history.state, "", parent.location.pathname + location.search);
}
