// Building blocks of the page. Texts are set as text, never as markup: names in the tables are strangers' words.

export const $ = (id) => document.getElementById(id);

/** An element with these properties (`class`, `text`, attributes) and children. */
export function build(tag, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/** An icon of the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A copy of the only element of a template. */
export const copy = (id) => $(id).content.firstElementChild.cloneNode(true);

/** A link that leaves the page (see outside.js); plain text where the address is none of the web. */
export function link(text, address) {
  if (!/^https?:/.test(address)) return document.createTextNode(text);
  return build("a", { text, href: address, target: "_blank", rel: "noreferrer" });
}

const numbers = new Intl.NumberFormat("en");
const times = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const count = (number, one, many = `${one}s`) => `${numbers.format(number)} ${number === 1 ? one : many}`;
export const amount = (number) => numbers.format(number);
export const time = (text) => times.format(new Date(text));
export const percent = (share) => `${Math.round(share * 100)} %`;

/** Put an element where people are: into the window that is open, for it hides and silences what is behind it. */
export function bringForward(element) {
  const front = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (element.parentElement !== front) front.append(element);
}

/** Tell people who do not see the page. */
export function speak(text) {
  bringForward($("spoken"));
  $("spoken").textContent = "";
  requestAnimationFrame(() => { $("spoken").textContent = text; });
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => [$("message"), $("spoken")].forEach(bringForward));
}
